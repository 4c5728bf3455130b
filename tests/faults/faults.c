/*
 * Lets system calls and allocations of the running culvert fail: a library for
 * LD_PRELOAD.  A file that it shares with the test (FAULTS=PATH) says what
 * fails, how and how often; the test may change it at any time.  See
 * tests/integration/interposer.py.
 *
 * Only calls for sockets fail, and only in ways that are possible in reality:
 * the call is not made and an error is returned, or it is made for fewer bytes.
 * The clock can be set forward.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The same order as in interposer.py. */
enum fault_call {
	FAULT_READ,
	FAULT_WRITE,
	FAULT_ACCEPT,
	FAULT_SOCKET,
	FAULT_CONNECT,
	FAULT_EPOLL,
	FAULT_BIND,
	FAULT_MALLOC,
	FAULT_CLOCK,
	FAULT_CALLS,
};

/* After the first skip calls, every n-th one fails, n being every, but at most
 * left calls in all.  error 0: the call is made for one byte. */
struct fault_rule {
	uint32_t error;
	uint32_t family; /* of the socket; 0: any */
	uint32_t skip;
	uint32_t every; /* 0: none */
	uint32_t left;
	uint32_t calls;	 /* how many were made */
	uint32_t faults; /* how many have failed */
};

static struct fault_rule *rules;

__attribute__((constructor)) static void
faults_begin(void)
{
	const char *path = getenv("FAULTS");
	void *map;
	int fd;

	/* Not in the ssh that culvert starts. */
	if (path == NULL ||
	    strcmp(program_invocation_short_name, "culvert") != 0)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	map = mmap(NULL, sizeof(*rules) * FAULT_CALLS, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort();
	close(fd);
	rules = map;
}

static bool
is_due(enum fault_call call)
{
	struct fault_rule *rule = &rules[call];
	uint32_t number = rule->calls++;

	if (rule->every == 0 || rule->left == 0 || number < rule->skip ||
	    (number - rule->skip) % rule->every != 0)
		return false;
	rule->left--;
	rule->faults++;
	return true;
}

static int
family_of(int fd)
{
	int family, type, saved = errno;
	socklen_t len = sizeof(family), type_len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0)
		family = -1;
	/* The way to the monitor, without which culvert ends. */
	else if (type == SOCK_SEQPACKET)
		family = -1;
	errno = saved;
	return family;
}

/* True: the call on that socket is to fail with *error, or to be short. */
static bool
fails(enum fault_call call, int fd, int *error)
{
	int family;

	if (rules == NULL || rules[call].every == 0)
		return false;
	family = family_of(fd);
	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
		return false; /* netlink has no short reads */
	if (rules[call].family != 0 && rules[call].family != (uint32_t)family)
		return false;
	*error = (int)rules[call].error;
	return is_due(call);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define FAIL_OR_SHORTEN(call, fd, shorten)         \
	do {                                       \
		int error;                         \
                                                   \
		if (fails((call), (fd), &error)) { \
			if (error != 0) {          \
				errno = error;     \
				return -1;         \
			}                          \
			shorten;                   \
		}                                  \
	} while (0)

/* ---- bytes ---- */

/* The first byte of the pieces, into *one. */
static void
cut(const struct iovec *pieces, size_t n, struct iovec *one)
{
	*one = (struct iovec) { 0 };
	for (size_t i = 0; i < n && one->iov_len == 0; i++)
		if (pieces[i].iov_len > 0)
			*one = (struct iovec) { pieces[i].iov_base, 1 };
}

ssize_t
read(int fd, void *bytes, size_t len)
{
	FAIL_OR_SHORTEN(FAULT_READ, fd, len = len > 0);
	return REAL(read)(fd, bytes, len);
}

ssize_t
recv(int fd, void *bytes, size_t len, int flags)
{
	FAIL_OR_SHORTEN(FAULT_READ, fd, len = len > 0);
	return REAL(recv)(fd, bytes, len, flags);
}

ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
	struct iovec one;

	FAIL_OR_SHORTEN(FAULT_READ, fd,
	    (cut(message->msg_iov, message->msg_iovlen, &one),
		message->msg_iov = &one, message->msg_iovlen = 1));
	return REAL(recvmsg)(fd, message, flags);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	FAIL_OR_SHORTEN(FAULT_WRITE, fd, len = len > 0);
	return REAL(write)(fd, bytes, len);
}

ssize_t
writev(int fd, const struct iovec *pieces, int n)
{
	struct iovec one;

	FAIL_OR_SHORTEN(FAULT_WRITE, fd,
	    (cut(pieces, (size_t)n, &one), pieces = &one, n = 1));
	return REAL(writev)(fd, pieces, n);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct msghdr shorter = *message;
	struct iovec one;

	FAIL_OR_SHORTEN(FAULT_WRITE, fd,
	    (cut(message->msg_iov, message->msg_iovlen, &one),
		shorter.msg_iov = &one, shorter.msg_iovlen = 1));
	return REAL(sendmsg)(fd, &shorter, flags);
}

/* ---- sockets ---- */

#define FAIL(call, fd) FAIL_OR_SHORTEN(call, fd, (void)0)

int
accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	FAIL(FAULT_ACCEPT, fd);
	return REAL(accept4)(fd, addr, len, flags);
}

int
connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int error;

	if (!fails(FAULT_CONNECT, fd, &error))
		return REAL(connect)(fd, addr, len);
	/* One that is interrupted goes on. */
	if (error == EINTR)
		REAL(connect)(fd, addr, len);
	errno = error;
	return -1;
}

int
bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	FAIL(FAULT_BIND, fd);
	return REAL(bind)(fd, addr, len);
}

int
socket(int family, int type, int protocol)
{
	struct fault_rule rule = { 0 };

	if (rules != NULL)
		rule = rules[FAULT_SOCKET];
	if (rule.every == 0 ||
	    (rule.family != 0 && rule.family != (uint32_t)family) ||
	    !is_due(FAULT_SOCKET))
		return REAL(socket)(family, type, protocol);
	errno = (int)rule.error;
	return -1;
}

static bool
epoll_fails(void)
{
	if (rules == NULL || rules[FAULT_EPOLL].every == 0 ||
	    !is_due(FAULT_EPOLL))
		return false;
	errno = (int)rules[FAULT_EPOLL].error;
	return true;
}

int
epoll_wait(int fd, struct epoll_event *events, int n, int ms)
{
	return epoll_fails() ? -1 : REAL(epoll_wait)(fd, events, n, ms);
}

int
epoll_pwait(int fd, struct epoll_event *events, int n, int ms,
    const sigset_t *mask)
{
	return epoll_fails() ? -1 : REAL(epoll_pwait)(fd, events, n, ms, mask);
}

/* ---- memory ---- */

/* A sanitizer has its own. */
#ifndef __SANITIZE_ADDRESS__

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);

static bool
memory_fails(void)
{
	if (rules == NULL || rules[FAULT_MALLOC].every == 0 ||
	    !is_due(FAULT_MALLOC))
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return memory_fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return memory_fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *memory, size_t size)
{
	return memory_fails() ? NULL : __libc_realloc(memory, size);
}

#endif

/* ---- the clock ---- */

int
clock_gettime(clockid_t id, struct timespec *now)
{
	int ret = REAL(clock_gettime)(id, now);

	if (ret == 0 && rules != NULL &&
	    (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE))
		now->tv_sec += rules[FAULT_CLOCK].skip;
	return ret;
}
