/*
 * base/confine.c: a confined child tries what is forbidden and what is
 * permitted. Anything that it reports by its pipe is a failure.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/caps.h"
#include "base/confine.h"
#include "base/user.h"
#include "confined.h"

/* ---- what is forbidden ---- */

static void
try_processes(struct env *env)
{
	char *argv[] = { (char *)(uintptr_t) "/bin/true", NULL };
	pid_t parent = getppid(), pid;

	confine_all(env);
	expect(env, "execve", execve(argv[0], argv, NULL), EPERM);
	expect(env, "clone3", syscall(SYS_clone3, NULL, 0), ENOSYS);
	expect(env, "setuid", setuid(0), EPERM);
	expect(env, "unshare", unshare(CLONE_NEWUSER), EPERM);
	if (SANITIZED)
		return;
	pid = fork();
	if (pid == 0)
		_exit(1);
	expect(env, "fork", pid, EPERM);
	expect(env, "kill", kill(parent, 0), EPERM);
	expect(env, "tgkill", syscall(SYS_tgkill, parent, parent, 0), EPERM);
	expect(env, "ptrace", ptrace(PTRACE_ATTACH, parent, NULL, NULL), EPERM);
	expect(env, "limits of others",
	    prlimit(parent, RLIMIT_NOFILE, NULL, NULL), EPERM);
	expect(env, "dumpable again", prctl(PR_SET_DUMPABLE, 1), EPERM);
	expect(env, "a signal at the parent's end",
	    prctl(PR_SET_PDEATHSIG, SIGTERM), EPERM);
}

static void
test_processes(void **state)
{
	struct env *env = *state;

	run_confined(env, try_processes);
	/* Seccomp alone forbids all of this. */
	env->without = CONFINE_FILES;
	run_confined(env, try_processes);
}

/* Landlock forbids signals since ABI 6. */
static void
try_signals(struct env *env)
{
	pid_t parent = getppid();

	confine_all(env);
	if (env->landlock && env->abi >= 6)
		expect(env, "kill", kill(parent, 0), EPERM);
	expect(env, "a signal to itself", raise(SIGCONT), 0);
}

static void
test_signals(void **state)
{
	struct env *env = *state;

	run_confined(env, try_signals);
	env->without = CONFINE_CALLS;
	run_confined(env, try_signals);
}

static void
try_system(struct env *env)
{
	char byte = '\n';

	confine_all(env);
	expect(env, "mount", mount("x", "/mnt", "tmpfs", 0, NULL), EPERM);
	expect(env, "chroot", chroot("/"), EPERM);
	expect(env, "bpf", syscall(SYS_bpf, 0, NULL, 0), EPERM);
	expect(env, "userfaultfd", syscall(SYS_userfaultfd, 0), EPERM);
	expect(env, "keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM);
	expect(env, "memfd_create", syscall(SYS_memfd_create, "x", 0), EPERM);
	expect(env, "words for the terminal", ioctl(0, TIOCSTI, &byte), EPERM);
	expect(env, "packets", socket(AF_PACKET, SOCK_RAW, 0), EPERM);
	expect(env, "vsock", socket(AF_VSOCK, SOCK_STREAM, 0), EPERM);
	expect(env, "audit", socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT),
	    EPERM);
	expect(env, "raw sockets", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP),
	    EPERM);
}

static void
test_system(void **state)
{
	/* It does more for some of these calls than the filter lets it. */
	if (getenv("UNDER_VALGRIND") != NULL)
		skip();
	run_confined(*state, try_system);
}

static void
try_files(struct env *env)
{
	int write = env->without == CONFINE_CALLS ? EACCES : EPERM;
	struct stat st;
	char path[100];

	confine_all(env);
	if (!env->landlock)
		return;
	expect(env, "read outside", open(env->outside, O_RDONLY), EACCES);
	/* The filter refuses these first, if there is one. */
	expect(env, "write outside", open(env->outside, O_WRONLY), write);
	expect(env, "truncate", open(env->outside, O_WRONLY | O_TRUNC), write);
	expect(env, "look outside", open(env->base, O_RDONLY | O_DIRECTORY),
	    EACCES);
	expect(env, "remove outside", unlink(env->outside), EACCES);
	snprintf(path, sizeof(path), "%s/d", env->base);
	expect(env, "mkdir outside", mkdir(path, 0700), EACCES);
	expect(env, "write below /etc",
	    open("/etc/cvt-test", O_WRONLY | O_CREAT, 0600), write);
	expect(env, "write to a device", open("/dev/null", O_RDWR), write);
	snprintf(path, sizeof(path), "%s/file", env->directory);
	expect(env, "a file in the private directory",
	    open(path, O_WRONLY | O_CREAT, 0600), write);
	if (!SANITIZED)
		expect(env, "what is not of files",
		    open("/proc/version", O_RDONLY), EACCES);
	snprintf(path, sizeof(path), "%s/link", env->directory);
	expect(env, "symlink", symlink("/", path), write);
	expect(env, "rename", rename(env->directory, env->outside), write);
	expect(env, "stat, which is no harm", stat(env->outside, &st), 0);
}

static void
test_files(void **state)
{
	struct env *env = *state;

	run_confined(env, try_files);
	env->without = CONFINE_CALLS;
	run_confined(env, try_files);
}

/* ---- what is not ---- */

static void
try_private(struct env *env)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[100];
	int fd, near;

	confine_all(env);
	snprintf(path, sizeof(path), "%s/2", env->directory);
	expect(env, "mkdir", mkdir(path, 0700), 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/2/s", env->directory);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	expect(env, "bind",
	    bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	expect(env, "listen", listen(fd, 5), 0);
	near = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect(env, "connect",
	    connect(near, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	expect(env, "accept", accept4(fd, NULL, NULL, SOCK_CLOEXEC), 0);
	expect(env, "unlink", unlink(sun.sun_path), 0);
	expect(env, "rmdir", rmdir(path), 0);
	expect(env, "look", open(env->directory, O_RDONLY | O_DIRECTORY), 0);
	expect(env, "/etc", open("/etc/hosts", O_RDONLY), 0);
}

static void
test_private(void **state)
{
	run_confined(*state, try_private);
}

static void *
look_up(void *ctx)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	int *err = ctx;

	*err = getaddrinfo("localhost", NULL, &hints, &list);
	if (*err == 0)
		freeaddrinfo(list);
	return NULL;
}

/* As in libuv's pool, whose threads start later. */
static void
try_names(struct env *env)
{
	pthread_t thread;
	int err = -1;

	confine_all(env);
	errno = pthread_create(&thread, NULL, look_up, &err);
	expect(env, "a thread", errno == 0 ? 0 : -1, 0);
	pthread_join(thread, NULL);
	if (err != 0)
		dprintf(env->report, "localhost: %s\n", gai_strerror(err));
}

static void
test_names(void **state)
{
	run_confined(*state, try_names);
}

/* Connects to itself; port is that of its own listener on all addresses. */
static void
try_tcp(struct env *env)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *sa = (struct sockaddr *)&sin;
	socklen_t len = sizeof(sin);
	int fd, near;

	confine_all(env);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	expect(env, "bind", bind(fd, sa, len), 0);
	expect(env, "listen", listen(fd, 5), 0);
	expect(env, "its port", getsockname(fd, sa, &len), 0);
	near = socket(AF_INET, SOCK_STREAM, 0);
	expect(env, "connect", connect(near, sa, len), 0);
	expect(env, "accept", accept(fd, NULL, NULL), 0);
	expect(env, "IPv6", socket(AF_INET6, SOCK_STREAM, 0), 0);
	expect(env, "owners",
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), 0);
	expect(env, "addresses", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
	    0);
	sin.sin_port = htons(1);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	expect(env, "port 1", bind(fd, sa, len), env->low_ports ? 0 : EACCES);
}

static void
test_tcp(void **state)
{
	struct env *env = *state;

	run_confined(env, try_tcp);
	if (geteuid() != 0)
		return;
	env->low_ports = true;
	run_confined(env, try_tcp);
}

/* ---- what the kernel says ---- */

static uint64_t
status_of_self(const char *key, int base)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	uint64_t value = UINT64_MAX;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtoull(line + strlen(key), NULL, base);
	if (file != NULL)
		fclose(file);
	return value;
}

static void
try_status(struct env *env)
{
	static const char *const sets[] = { "CapInh:", "CapPrm:", "CapEff:",
		"CapBnd:", "CapAmb:" };
	const struct confine_options options = { .directory = env->directory };
	char text[CONFINE_TEXT_MAX];
	struct rlimit core;

	/* Read now, because Landlock forbids /proc later. */
	for (int stage = 0; stage < CONFINE_FILES; stage++)
		confine((enum confine_stage)stage, &options, text);
	if (status_of_self("NoNewPrivs:", 10) != 1)
		dprintf(env->report, "it can gain privileges\n");
	for (size_t i = 0; i < 5; i++)
		if (status_of_self(sets[i], 16) != 0)
			dprintf(env->report, "%s not empty\n", sets[i]);
	if (SANITIZED)
		return;
	if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0 ||
	    prctl(PR_GET_DUMPABLE) != 0)
		dprintf(env->report, "it can dump core\n");
}

static void
test_status(void **state)
{
	if (geteuid() != 0)
		skip(); /* others cannot empty CapBnd */
	run_confined(*state, try_status);
}

/* Without root there is less to give up, which is reported. */
static void
try_as_nobody(struct env *env)
{
	const struct confine_options options = { .directory = env->directory };
	char text[CONFINE_TEXT_MAX];
	struct user user;

	for (int stage = 0; stage < CONFINE_BOUNDING; stage++)
		if (confine((enum confine_stage)stage, &options, text) ==
		    CONFINE_FAILED)
			dprintf(env->report, "%s\n", text);
	if (user_find("nobody", &user) != 0 || user_become(&user, 0) != 0)
		dprintf(env->report, "nobody cannot be had\n");
	if (confine(CONFINE_BOUNDING, &options, text) != CONFINE_NOT_HERE ||
	    strstr(text, "only root") == NULL)
		dprintf(env->report, "bounding set: %s\n", text);
	for (int stage = CONFINE_CAPABILITIES; stage < CONFINE_STAGES; stage++)
		if (confine((enum confine_stage)stage, &options, text) ==
		    CONFINE_FAILED)
			dprintf(env->report, "%s\n", text);
	user_free(&user);
}

static void
test_as_nobody(void **state)
{
	struct env *env = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(env->base, 0755), 0);
	assert_int_equal(chown(env->directory, 65534, 65534), 0);
	run_confined(env, try_as_nobody);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CONFINED_TEST(test_processes),
		CONFINED_TEST(test_signals),
		CONFINED_TEST(test_system),
		CONFINED_TEST(test_files),
		CONFINED_TEST(test_private),
		CONFINED_TEST(test_names),
		CONFINED_TEST(test_tcp),
		CONFINED_TEST(test_status),
		CONFINED_TEST(test_as_nobody),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
