/*
 * base/confine_seccomp.c: calls that are needed, with arguments that are not,
 * and calls like them.  The filter must refuse each, because each would help
 * somebody who has taken the process over.  Those on files are in
 * test_confine_files.c.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/confine.h"
#include "confined.h"

/* Not in the headers of every release. */
#define PROTOCOL_MPTCP 262
#define OPTION_TCP_ULP 31

/* ---- signals, locks ---- */

/* A file or a terminal can send signals to any process. */
static void
try_fcntl(struct env *env)
{
	struct f_owner_ex owner = { F_OWNER_PID, getppid() };
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int file = open(env->outside, O_RDWR);
	int fd, on = 1;

	confine_all(env);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	expect(env, "F_SETOWN", fcntl(fd, F_SETOWN, getppid()), EPERM);
	expect(env, "F_SETOWN of all", fcntl(fd, F_SETOWN, -1), EPERM);
	expect(env, "F_SETOWN_EX", fcntl(fd, F_SETOWN_EX, &owner), EPERM);
	expect(env, "F_SETSIG", fcntl(fd, F_SETSIG, SIGKILL), EPERM);
	expect(env, "F_SETLEASE", fcntl(file, F_SETLEASE, F_WRLCK), EPERM);
	expect(env, "F_NOTIFY", fcntl(file, F_NOTIFY, DN_ACCESS), EPERM);
	expect(env, "F_SETLK", fcntl(file, F_SETLK, &lock), EPERM);
	expect(env, "F_SETLKW", fcntl(file, F_SETLKW, &lock), EPERM);
	expect(env, "F_OFD_SETLK", fcntl(file, F_OFD_SETLK, &lock), EPERM);
	expect(env, "flock", syscall(SYS_flock, file, 1), EPERM);
	expect(env, "F_SETPIPE_SZ", fcntl(fd, F_SETPIPE_SZ, 4096), EPERM);
	expect(env, "F_ADD_SEALS", fcntl(file, F_ADD_SEALS, 1), EPERM);
	expect(env, "O_ASYNC", fcntl(fd, F_SETFL, O_RDWR | O_ASYNC), EPERM);
	expect(env, "FIONBIO", ioctl(fd, FIONBIO, &on), 0);
	expect(env, "F_SETFD", fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
	expect(env, "F_DUPFD_CLOEXEC", fcntl(fd, F_DUPFD_CLOEXEC, 3), 0);
}

static void
test_fcntl(void **state)
{
	struct env *env = *state;

	env->without = CONFINE_FILES;
	run_confined(env, try_fcntl);
}

static void
try_signals(struct env *env)
{
	pid_t parent = getppid();
	siginfo_t info = { .si_signo = SIGCONT, .si_code = SI_QUEUE };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL };
	timer_t timer;

	confine_all(env);
	expect(env, "rt_sigqueueinfo",
	    syscall(SYS_rt_sigqueueinfo, parent, SIGCONT, &info), EPERM);
	expect(env, "rt_tgsigqueueinfo",
	    syscall(SYS_rt_tgsigqueueinfo, parent, parent, SIGCONT, &info),
	    EPERM);
	expect(env, "pidfd_open", syscall(SYS_pidfd_open, parent, 0), EPERM);
	expect(env, "pidfd_send_signal",
	    syscall(SYS_pidfd_send_signal, 0, SIGCONT, NULL, 0), EPERM);
	expect(env, "timer_create",
	    timer_create(CLOCK_MONOTONIC, &event, &timer), EPERM);
	expect(env, "a group", setpgid(0, 0), EPERM);
	expect(env, "a session", setsid(), EPERM);
	expect(env, "priority of others", setpriority(PRIO_PROCESS, 0, 5),
	    EPERM);
	expect(env, "processors of others",
	    syscall(SYS_sched_setaffinity, parent, 8, &info), EPERM);
	expect(env, "a real-time class",
	    syscall(SYS_sched_setscheduler, parent, 0, &info), EPERM);
	expect(env, "kcmp", syscall(SYS_kcmp, parent, parent, 0, 0, 0), EPERM);
	expect(env, "process_vm_writev",
	    syscall(SYS_process_vm_writev, parent, NULL, 0, NULL, 0, 0), EPERM);
	if (SANITIZED)
		return;
	expect(env, "tkill", syscall(SYS_tkill, parent, 0), EPERM);
	expect(env, "process_vm_readv",
	    syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0), EPERM);
	expect(env, "the monitor's death", prctl(PR_SET_PDEATHSIG, SIGKILL),
	    EPERM);
	expect(env, "a new owner of memory", prctl(PR_SET_PTRACER, parent),
	    EPERM);
}

static void
test_signals(void **state)
{
	struct env *env = *state;

	env->without = CONFINE_FILES;
	run_confined(env, try_signals);
}

/* ---- devices, terminals ---- */

static void
try_ioctl(struct env *env)
{
	static const struct {
		const char *name;
		unsigned long request;
	} requests[] = {
		{ "FIOASYNC", FIOASYNC },
		{ "FIOSETOWN", FIOSETOWN },
		{ "SIOCSPGRP", SIOCSPGRP },
		{ "TIOCSTI", TIOCSTI },
		{ "TIOCLINUX", TIOCLINUX },
		{ "TIOCSCTTY", TIOCSCTTY },
		{ "TIOCSPGRP", TIOCSPGRP },
		{ "TIOCNOTTY", TIOCNOTTY },
		{ "TIOCSETD", TIOCSETD },
		{ "TIOCSWINSZ", TIOCSWINSZ },
		{ "TIOCCONS", TIOCCONS },
		{ "TCSETS", TCSETS },
		{ "SIOCSIFFLAGS", SIOCSIFFLAGS },
		{ "SIOCSIFADDR", SIOCSIFADDR },
		{ "FS_IOC_SETFLAGS", _IOW('f', 2, long) },
		{ "FICLONE", _IOW(0x94, 9, int) },
		/* With bits that the kernel does not look at. */
		{ "TIOCSTI, 64 bits", TIOCSTI | (UINT64_C(1) << 32) },
	};
	union {
		uint64_t zero;
		char bytes[256];
	} argument = { 0 };

	confine_all(env);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		expect(env, requests[i].name,
		    syscall(SYS_ioctl, 0, requests[i].request, &argument),
		    EPERM);
}

static void
test_ioctl(void **state)
{
	run_confined(*state, try_ioctl);
}

/* ---- sockets ---- */

static void
try_sockets(struct env *env)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} sockets[] = {
		{ "ICMP", AF_INET, SOCK_DGRAM, IPPROTO_ICMP },
		{ "raw", AF_INET, SOCK_RAW, IPPROTO_RAW },
		{ "raw TCP", AF_INET6, SOCK_RAW, IPPROTO_TCP },
		{ "MPTCP", AF_INET, SOCK_STREAM, PROTOCOL_MPTCP },
		{ "SCTP", AF_INET, SOCK_STREAM, IPPROTO_SCTP },
		{ "SCTP messages", AF_INET6, SOCK_SEQPACKET, IPPROTO_SCTP },
		{ "DCCP", AF_INET, SOCK_DCCP, IPPROTO_DCCP },
		{ "UDPLITE", AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE },
		{ "packets", AF_PACKET, SOCK_DGRAM, 0 },
		{ "Unix packets", AF_UNIX, SOCK_SEQPACKET, 0 },
		{ "kernel's ciphers", AF_ALG, SOCK_SEQPACKET, 0 },
		{ "Bluetooth", AF_BLUETOOTH, SOCK_RAW, 0 },
		{ "CAN", AF_CAN, SOCK_RAW, 1 },
		{ "TIPC", AF_TIPC, SOCK_RDM, 0 },
		{ "netfilter", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER },
		{ "IPsec", AF_NETLINK, SOCK_RAW, NETLINK_XFRM },
		{ "uevent", AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT },
		{ "generic", AF_NETLINK, SOCK_RAW, NETLINK_GENERIC },
	};
	int fds[2];

	confine_all(env);
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		expect(env, sockets[i].name,
		    socket(sockets[i].family, sockets[i].type | SOCK_CLOEXEC,
			sockets[i].protocol),
		    EPERM);
	expect(env, "socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fds),
	    EPERM);
	expect(env, "UDP, for DNS",
	    socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 0);
}

static void
test_sockets(void **state)
{
	run_confined(*state, try_sockets);
}

static void
try_options(struct env *env)
{
	static const struct {
		const char *name;
		int level, option;
	} options[] = {
		{ "SO_ATTACH_FILTER", SOL_SOCKET, SO_ATTACH_FILTER },
		{ "SO_ATTACH_BPF", SOL_SOCKET, SO_ATTACH_BPF },
		{ "SO_LOCK_FILTER", SOL_SOCKET, SO_LOCK_FILTER },
		{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT },
		{ "SO_BINDTODEVICE", SOL_SOCKET, SO_BINDTODEVICE },
		{ "SO_MARK", SOL_SOCKET, SO_MARK },
		{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY },
		{ "SO_SNDBUFFORCE", SOL_SOCKET, SO_SNDBUFFORCE },
		{ "SO_ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY },
		{ "SO_BROADCAST", SOL_SOCKET, SO_BROADCAST },
		{ "SO_TIMESTAMPING", SOL_SOCKET, SO_TIMESTAMPING },
		{ "SO_BUSY_POLL", SOL_SOCKET, SO_BUSY_POLL },
		{ "TCP_ULP", IPPROTO_TCP, OPTION_TCP_ULP },
		{ "TCP_REPAIR", IPPROTO_TCP, TCP_REPAIR },
		{ "TCP_CONGESTION", IPPROTO_TCP, TCP_CONGESTION },
		{ "TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN },
		{ "TCP_MD5SIG", IPPROTO_TCP, TCP_MD5SIG },
		{ "IP_OPTIONS", IPPROTO_IP, IP_OPTIONS },
		{ "IP_TRANSPARENT", IPPROTO_IP, IP_TRANSPARENT },
		{ "IP_FREEBIND", IPPROTO_IP, IP_FREEBIND },
		{ "IP_HDRINCL", IPPROTO_IP, IP_HDRINCL },
		{ "IP_ADD_MEMBERSHIP", IPPROTO_IP, IP_ADD_MEMBERSHIP },
		{ "packet filter", IPPROTO_IP, 64 },
		{ "IPV6_RTHDR", IPPROTO_IPV6, IPV6_RTHDR },
		{ "IPV6_TRANSPARENT", IPPROTO_IPV6, IPV6_TRANSPARENT },
		{ "UDP_ENCAP", IPPROTO_UDP, 100 },
		{ "NETLINK_ADD_MEMBERSHIP", 270, NETLINK_ADD_MEMBERSHIP },
	};
	union {
		int number;
		char bytes[64];
	} value = { 0 };
	socklen_t len = sizeof(value);
	int on = 1;
	int fd;

	confine_all(env);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		expect(env, options[i].name,
		    setsockopt(fd, options[i].level, options[i].option, &value,
			sizeof(value)),
		    EPERM);
	expect(env, "SO_GET_FILTER",
	    getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, &value, &len), EPERM);
	expect(env, "TCP_ZEROCOPY_RECEIVE",
	    getsockopt(fd, IPPROTO_TCP, 35, &value, &len), EPERM);
	expect(env, "packet filter's rules",
	    getsockopt(fd, IPPROTO_IP, 64, &value, &len), EPERM);
	expect(env, "SO_KEEPALIVE",
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
	expect(env, "IP_RECVERR",
	    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
	expect(env, "SO_ERROR",
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len), 0);
}

static void
test_options(void **state)
{
	run_confined(*state, try_options);
}

/* Landlock forbids abstract sockets since ABI 6.  It cannot forbid sockets with
 * a path; SECURITY.md says so. */
static void
try_unix_sockets(struct env *env)
{
	struct sockaddr_un named = { .sun_family = AF_UNIX }, abstract = named;
	const struct sockaddr *sa = (const struct sockaddr *)&named;
	socklen_t len;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(named.sun_path, sizeof(named.sun_path), "%s/s", env->base);
	if (bind(fd, sa, sizeof(named)) != 0 || listen(fd, 1) != 0)
		dprintf(env->report, "no socket to try\n");
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
	    (size_t)snprintf(abstract.sun_path + 1,
		sizeof(abstract.sun_path) - 1, "%s", env->base));
	if (bind(fd, (const struct sockaddr *)&abstract, len) != 0 ||
	    listen(fd, 1) != 0)
		dprintf(env->report, "no abstract socket to try\n");
	confine_all(env);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (env->landlock && env->abi >= 6)
		expect(env, "an abstract socket",
		    connect(fd, (const struct sockaddr *)&abstract, len),
		    EPERM);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	expect(env, "a socket with a path", connect(fd, sa, sizeof(named)), 0);
	snprintf(named.sun_path, sizeof(named.sun_path), "%s/t", env->base);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	expect(env, "a new socket with a path", bind(fd, sa, sizeof(named)),
	    env->landlock ? EACCES : 0);
}

static void
test_unix_sockets(void **state)
{
	run_confined(*state, try_unix_sockets);
}

/* ---- memory, threads, limits ---- */

/* mmap() returns an address. */
static void
expect_map(const struct env *env, const char *what, int prot, int flags, int fd,
    int err)
{
	void *got = mmap(NULL, 4096, prot, flags, fd, 0);

	expect(env, what, got == MAP_FAILED ? -1 : 0, err);
}

/* Written memory cannot be executed. */
static void
try_code(struct env *env)
{
	const int all = PROT_READ | PROT_WRITE | PROT_EXEC;
	const int here = MAP_PRIVATE | MAP_ANONYMOUS;
	int fd;
	void *page;

	confine_all(env);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, here, -1, 0);
	expect(env, "memory", page == MAP_FAILED ? -1 : 0, 0);
	expect(env, "to run it", mprotect(page, 4096, PROT_READ | PROT_EXEC),
	    EPERM);
	expect(env, "to run all of it", mprotect(page, 4096, all), EPERM);
	expect(env, "to run it, with a key",
	    syscall(SYS_pkey_mprotect, page, 4096, PROT_EXEC, -1), EPERM);
	expect_map(env, "new code", PROT_READ | PROT_EXEC, here, -1, EPERM);
	expect_map(env, "new code, written", all, here, -1, EPERM);
	fd = open("/etc/passwd", O_RDONLY);
	expect_map(env, "code of a file", PROT_READ | PROT_EXEC, MAP_PRIVATE,
	    fd, 0);
	expect_map(env, "written code of a file", all, MAP_PRIVATE, fd, EPERM);
	expect(env, "memfd_create", syscall(SYS_memfd_create, "x", 0), EPERM);
	expect(env, "shmget", shmget(IPC_PRIVATE, 1, 0600), EPERM);
	expect(env, "msgget", msgget(IPC_PRIVATE, 0600), EPERM);
	expect(env, "semget", semget(IPC_PRIVATE, 1, 0600), EPERM);
	expect(env, "personality", syscall(SYS_personality, 0x0400000), EPERM);
	/* Modules for the look-up of names can be loaded. */
	if (dlopen("libnss_compat.so.2", RTLD_NOW) == NULL &&
	    dlopen("libnss_hesiod.so.2", RTLD_NOW) == NULL)
		dprintf(env->report, "no module: %s\n", dlerror());
}

static void
test_code(void **state)
{
	if (getenv("UNDER_VALGRIND") != NULL)
		skip(); /* it runs what it has written itself */
	run_confined(*state, try_code);
}

/* Without a stack: if it were permitted, the child would share this one, and
 * end. */
static long
clone_with(unsigned long flags)
{
#ifdef __s390__
	long pid = syscall(SYS_clone, NULL, flags, NULL, NULL, NULL);
#else
	long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
#endif
	if (pid == 0)
		_exit(1);
	return pid;
}

static void
try_limits(struct env *env)
{
	const struct rlimit limit = { 64, 64 };
	struct rlimit got;

	confine_all(env);
	expect(env, "a namespace", unshare(CLONE_NEWNS), EPERM);
	expect(env, "files of its own", unshare(CLONE_FILES), EPERM);
	expect(env, "setns", setns(0, 0), EPERM);
	expect(env, "acct", syscall(SYS_acct, NULL), EPERM);
	expect(env, "its limits", getrlimit(RLIMIT_NOFILE, &got), 0);
	if (SANITIZED)
		return;
	expect(env, "new limits", setrlimit(RLIMIT_NOFILE, &limit), EPERM);
	expect(env, "new limits of itself",
	    prlimit(0, RLIMIT_NOFILE, &limit, NULL), EPERM);
	expect(env, "a process", clone_with(SIGCHLD), EPERM);
	expect(env, "one in its memory",
	    clone_with(CLONE_VM | CLONE_VFORK | SIGCHLD), EPERM);
	expect(env, "one in a namespace", clone_with(CLONE_NEWUSER | SIGCHLD),
	    EPERM);
	expect(env, "a thread that is more",
	    clone_with(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_NEWUSER),
	    EPERM);
	expect(env, "a new stack for seccomp", prctl(PR_SET_SECCOMP, 1, NULL),
	    EPERM);
	expect(env, "its memory's map", prctl(PR_SET_MM, 1, 0, 0, 0), EPERM);
	expect(env, "orphans of others", prctl(PR_SET_CHILD_SUBREAPER, 1),
	    EPERM);
	expect(env, "its name", prctl(PR_SET_NAME, "culvert"), 0);
}

static void
test_limits(void **state)
{
	run_confined(*state, try_limits);
}

/* ---- io_uring ---- */

static void
try_rings(struct env *env)
{
	confine_all(env);
	expect(env, "setup", syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	expect(env, "enter", syscall(SYS_io_uring_enter, 0, 1, 0, 0, NULL, 0),
	    EPERM);
	expect(env, "register", syscall(SYS_io_uring_register, 0, 0, NULL, 0),
	    EPERM);
}

/* For libuv, before it makes a loop, the kernel has no io_uring. */
static void
try_early_rings(struct env *env)
{
	const struct confine_options none = { .directory = NULL };
	char text[CONFINE_TEXT_MAX];

	for (int stage = 0; stage <= CONFINE_RINGS; stage++)
		if (confine((enum confine_stage)stage, &none, text) !=
		    CONFINE_DONE)
			dprintf(env->report, "%s\n", text);
	expect(env, "setup", syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
	expect(env, "all else", open("/dev/null", O_RDWR), 0);
}

static void
test_rings(void **state)
{
	run_confined(*state, try_early_rings);
	run_confined(*state, try_rings);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CONFINED_TEST(test_fcntl),
		CONFINED_TEST(test_signals),
		CONFINED_TEST(test_ioctl),
		CONFINED_TEST(test_sockets),
		CONFINED_TEST(test_options),
		CONFINED_TEST(test_unix_sockets),
		CONFINED_TEST(test_code),
		CONFINED_TEST(test_limits),
		CONFINED_TEST(test_rings),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
