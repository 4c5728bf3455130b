/*
 * Tests of net/owner.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/owner.h"

#define NOBODY 65534

static struct owners *owners;

/* A blocking listener of that family, on every address, both versions. */
static int
listen_any(sa_family_t family, uint16_t *ret_port)
{
	struct addr any = { .family = family };
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&any, &sa);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;

	assert_true(fd >= 0);
	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off,
				     sizeof(off)),
		    0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	len = sizeof(sa);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	addr_from_sockaddr((struct sockaddr *)&sa, &any);
	*ret_port = any.port;
	return fd;
}

/* A client of that family; AF_INET6 with mapped: to ::ffff:127.0.0.1. */
static int
connect_to(sa_family_t family, bool mapped, uint16_t port)
{
	struct addr to = addr_loopback(family, port);
	struct sockaddr_storage sa;
	socklen_t len;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (mapped)
		memcpy(to.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	len = addr_to_sockaddr(&to, &sa);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) != 0)
		return -1;
	return fd;
}

static void
names_of(int fd, struct addr *ret_local, struct addr *ret_peer)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&sa, ret_local),
	    0);
	len = sizeof(sa);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&sa, ret_peer),
	    0);
}

/* Listeners and clients that use the same protocol. */
static const struct {
	sa_family_t listener;
	sa_family_t client;
	bool mapped;
	sa_family_t seen;
} kinds[] = {
	{ AF_INET, AF_INET, false, AF_INET },
	{ AF_INET6, AF_INET6, false, AF_INET6 },
	{ AF_INET6, AF_INET, false, AF_INET },
	{ AF_INET, AF_INET6, true, AF_INET },
	{ AF_INET6, AF_INET6, true, AF_INET },
};

static void
test_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint16_t port;
		int listener = listen_any(kinds[i].listener, &port);
		int client = connect_to(kinds[i].client, kinds[i].mapped, port);
		int fd = accept(listener, NULL, NULL);
		struct addr local, peer;
		uid_t uid = 12345;

		assert_true(client >= 0 && fd >= 0);
		names_of(fd, &local, &peer);
		assert_int_equal(peer.family, kinds[i].seen);
		assert_int_equal(owner_of_peer(owners, &local, &peer, &uid), 0);
		assert_int_equal(uid, getuid());
		/* Half closed it still has its owner. */
		uid = 12345;
		shutdown(client, SHUT_WR);
		assert_int_equal(owner_of_peer(owners, &local, &peer, &uid), 0);
		assert_int_equal(uid, getuid());
		/* Not so when closed: it waits for our end, owned by none. */
		uid = 12345;
		close(client);
		assert_int_equal(owner_of_peer(owners, &local, &peer, &uid),
		    -ESTALE);
		assert_int_equal(uid, 12345);
		/* And not after it, in TIME-WAIT. */
		close(fd);
		assert_int_equal(owner_of_peer(owners, &local, &peer, &uid),
		    -ESTALE);
		assert_int_equal(uid, 12345);
		close(listener);
	}
}

static void
test_none(void **state)
{
	uint16_t port;
	int listener = listen_any(AF_INET, &port);
	struct addr local = addr_loopback(AF_INET, port);
	struct addr peer = addr_loopback(AF_INET, 1);
	struct addr other = addr_loopback(AF_INET6, 1);
	uid_t uid = 12345;

	(void)state;
	assert_int_equal(owner_of_peer(owners, &local, &peer, &uid), -ENOENT);
	/* The kernel would return the listener with that port. */
	peer.port = port;
	local.port = 1;
	assert_int_equal(owner_of_peer(owners, &local, &peer, &uid), -ENOENT);
	/* An address of another host. */
	assert_int_equal(addr_parse_ip("192.0.2.77", &peer), 0);
	peer.port = 40000;
	assert_int_equal(owner_of_peer(owners, &local, &peer, &uid), -ENOENT);
	assert_int_equal(owner_of_peer(owners, &local, &other, &uid),
	    -EAFNOSUPPORT);
	peer.family = local.family = AF_UNSPEC;
	assert_int_equal(owner_of_peer(owners, &local, &peer, &uid),
	    -EAFNOSUPPORT);
	assert_int_equal(uid, 12345);
	close(listener);
}

/* A client without root that waits for this side to end. */
static void
run_nobody(size_t kind, uint16_t port)
{
	char byte;
	int fd;

	if (setresuid(NOBODY, NOBODY, NOBODY) != 0)
		_exit(1);
	fd = connect_to(kinds[kind].client, kinds[kind].mapped, port);
	_exit(fd < 0 || read(fd, &byte, 1) != 0);
}

static void
test_another_user(void **state)
{
	(void)state;
	if (getuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint16_t port;
		int listener = listen_any(kinds[i].listener, &port);
		pid_t pid = fork();
		struct addr local, peer;
		uid_t uid = 12345;
		int fd, status;

		assert_true(pid >= 0);
		if (pid == 0)
			run_nobody(i, port);
		fd = accept(listener, NULL, NULL);
		assert_true(fd >= 0);
		names_of(fd, &local, &peer);
		assert_int_equal(owner_of_peer(owners, &local, &peer, &uid), 0);
		assert_int_equal(uid, NOBODY);
		/* The near end is ours, the arguments have an order. */
		assert_int_equal(owner_of_peer(owners, &peer, &local, &uid), 0);
		assert_int_equal(uid, 0);
		close(fd);
		close(listener);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* A socket that is still connecting from that port is not the old client. */
static void
test_port_taken_again(void **state)
{
	struct addr local = addr_loopback(AF_INET, 0), peer;
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&local, &sa);
	int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[8];
	uid_t uid = 12345;
	int err = 0;
	size_t n = 0;

	(void)state;
	/* When its queue is full, further clients wait in SYN-SENT. */
	assert_true(full >= 0);
	assert_int_equal(bind(full, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(full, 0), 0);
	assert_int_equal(getsockname(full, (struct sockaddr *)&sa, &len), 0);
	addr_from_sockaddr((struct sockaddr *)&sa, &local);
	while (err != -ESTALE && n < 8) {
		fds[n] = socket(AF_INET,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fds[n], (struct sockaddr *)&sa, len);
		len = sizeof(sa);
		assert_int_equal(getsockname(fds[n++], (struct sockaddr *)&sa,
				     &len),
		    0);
		addr_from_sockaddr((struct sockaddr *)&sa, &peer);
		len = addr_to_sockaddr(&local, &sa);
		err = owner_of_peer(owners, &local, &peer, &uid);
	}
	assert_int_equal(err, -ESTALE);
	while (n > 0)
		close(fds[--n]);
	close(full);
}

/* A netlink socket that could not be opened is opened later. */
static void
test_without_descriptors(void **state)
{
	struct rlimit limit, lower;
	struct addr local = addr_loopback(AF_INET, 1), peer = local;
	struct owners *late;
	uid_t uid;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	lower = (struct rlimit) { .rlim_cur = 0, .rlim_max = limit.rlim_max };
	setrlimit(RLIMIT_NOFILE, &lower);
	late = owners_new();
	assert_non_null(late);
	assert_int_equal(owner_of_peer(late, &local, &peer, &uid), -EMFILE);
	/* An open one needs no descriptor. */
	assert_int_equal(owner_of_peer(owners, &local, &peer, &uid), -ENOENT);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(owner_of_peer(late, &local, &peer, &uid), -ENOENT);
	owners_free(late);
	owners_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_another_user),
		cmocka_unit_test(test_port_taken_again),
		cmocka_unit_test(test_without_descriptors),
	};
	int failed;

	owners = owners_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	owners_free(owners);
	return failed;
}
