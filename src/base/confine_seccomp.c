/*
 * The system calls that the process may make, for seccomp(2), with libseccomp.
 * All others fail with EPERM, so that a program that tries a new call does not
 * die of it.  Calls whose flags are in memory, where a filter cannot read them,
 * fail with ENOSYS, so that libc uses the older call.
 *
 * The list has the calls that culvert, libuv, libmicrohttpd (in
 * culvert-metrics), glibc and its modules for host names need after the start;
 * to find them, run the tests under strace.  Calls that can do harm with some
 * arguments are permitted only with the arguments that are needed (rules[]).
 */
#include "base/confine_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

/* prctl(2): malloc of glibc >= 2.38 names its memory. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Missing in some headers of kernels and of libc. */
#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif
#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

/* The type of a socket without SOCK_CLOEXEC and SOCK_NONBLOCK. */
#define SOCK_TYPE_MASK 0xfU

/* The flags of pthread_create(): a thread of this process, and nothing else,
 * such as a new namespace. */
#define CLONE_OF_THREADS                                                     \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | \
	    CLONE_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID |              \
	    CLONE_CHILD_CLEARTID)

/* The number of the argument of clone(2) that has the flags. */
#ifdef __s390__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* Permitted with any arguments.  Calls that this architecture does not have are
 * skipped. */
static const char *const allowed[] = {
	/* sockets, pipes, what is open */
	"read",
	"readv",
	"write",
	"writev",
	"recvfrom",
	"recvmsg",
	"recvmmsg",
	"sendto",
	"sendmsg",
	"sendmmsg",
	"recv",
	"send",
	"accept",
	"accept4",
	"bind",
	"connect",
	"listen",
	"shutdown",
	"getsockname",
	"getpeername",
	"close",
	"dup",
	"dup2",
	"dup3",
	"pipe2",
	"lseek",
	"_llseek",
	"pread64",
	/* files, as far as Landlock permits opening them */
	"access",
	"faccessat",
	"faccessat2",
	"stat",
	"stat64",
	"lstat",
	"lstat64",
	"fstat",
	"fstat64",
	"fstatat64",
	"newfstatat",
	"statx",
	"statfs",
	"fstatfs",
	"readlink",
	"readlinkat",
	"getdents",
	"getdents64",
	"getcwd",
	"unlink",
	"unlinkat",
	"rmdir",
	"umask",
	/* waiting, also for the end of the monitor */
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"poll",
	"ppoll",
	"ppoll_time64",
	"select",
	"_newselect",
	"pselect6",
	"pselect6_time64",
	"eventfd2",
	"inotify_init1",
	"inotify_add_watch",
	"inotify_rm_watch",
	"restart_syscall",
	"nanosleep",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"wait4",
	"waitpid",
	/* memory and threads */
	"mlock",
	"munmap",
	"mremap",
	"madvise",
	"brk",
	"futex",
	"futex_time64",
	"set_robust_list",
	"rseq",
	"membarrier",
	"sched_yield",
	"sched_getaffinity",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigreturn",
	"sigaltstack",
	"exit",
	"exit_group",
	/* identity, time, the machine */
	"getpid",
	"gettid",
	"getppid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getuid32",
	"geteuid32",
	"getgid32",
	"getegid32",
	"clock_gettime",
	"clock_gettime64",
	"clock_getres",
	"gettimeofday",
	"time",
	"uname",
	"sysinfo",
	"getrandom",
	"getrlimit",
	"ugetrlimit",
	"getcpu",
#ifdef __s390__
	/* Its arguments are in memory. */
	"mmap",
#endif
#if CONFINE_SANITIZED
	/* LeakSanitizer starts a process that traces this one to stop its
	 * threads. */
	"clone",
	"ptrace",
	"prctl",
	"kill",
	"tkill",
	"tgkill",
	"process_vm_readv",
	"prlimit64",
	"wait4",
	"sched_getparam",
	"sched_getscheduler",
#endif
};

/* Permitted only with these arguments. */
struct rule {
	const char *call;
	struct rule_arg {
		unsigned int n;
		uint64_t mask; /* the bits that are compared; 0: no argument */
		uint64_t value;
	} args[3];
};

/* The kernel uses only 32 bits of most arguments. */
#define IS(n, value)                               \
	{                                          \
		(n), UINT32_MAX, (uint32_t)(value) \
	}
#define NULL_POINTER(n)            \
	{                          \
		(n), UINT64_MAX, 0 \
	}
#define WITHOUT(n, bits)                 \
	{                                \
		(n), (uint32_t)(bits), 0 \
	}
#define TYPE_IS(n, type)                    \
	{                                   \
		(n), SOCK_TYPE_MASK, (type) \
	}

/* Permits only to read an existing file.  Without Landlock, or with an old
 * version of it, O_TRUNC would empty a file, and O_CREAT could make one with a
 * set-user-ID bit. */
#define TO_READ(n) WITHOUT(n, O_ACCMODE | O_CREAT | O_TRUNC)

/* Memory that was written is never executed.  Executable memory comes from
 * files (modules for the look-up of names) and is not writable. */
#define MAPPED(call)                                              \
	{ call, { WITHOUT(2, PROT_EXEC) } },                      \
	{                                                         \
		call,                                             \
		{                                                 \
			{ 2, PROT_EXEC | PROT_WRITE, PROT_EXEC }, \
			    WITHOUT(3, MAP_ANONYMOUS)             \
		}                                                 \
	}

#define SOCKET(family, type, protocol)                                   \
	{                                                                \
		"socket",                                                \
		{                                                        \
			IS(0, family), TYPE_IS(1, type), IS(2, protocol) \
		}                                                        \
	}
#define IOCTL(request)                 \
	{                              \
		"ioctl",               \
		{                      \
			IS(1, request) \
		}                      \
	}
#define SET_OPTION(level, name)                   \
	{                                         \
		"setsockopt",                     \
		{                                 \
			IS(1, level), IS(2, name) \
		}                                 \
	}
#define GET_OPTION(level, name)                   \
	{                                         \
		"getsockopt",                     \
		{                                 \
			IS(1, level), IS(2, name) \
		}                                 \
	}
#define FCNTL(...)                    \
	{ "fcntl", { __VA_ARGS__ } }, \
	{                             \
		"fcntl64",            \
		{                     \
			__VA_ARGS__   \
		}                     \
	}

static const struct rule rules[] = {
	{ "open", { TO_READ(1) } },
	{ "openat", { TO_READ(2) } },
	/* Reserves space in the transfer log; other modes can erase records. */
	{ "fallocate", { IS(1, FALLOC_FL_KEEP_SIZE) } },
	{ "mkdir", { IS(1, 0700) } },
	{ "mkdirat", { IS(2, 0700) } },
	MAPPED("mmap2"),
#if !defined(__s390__) && !defined(__i386__) /* arguments in memory there */
	MAPPED("mmap"),
#endif
	{ "mprotect", { WITHOUT(2, PROT_EXEC) } },
	{ "clone", { IS(CLONE_FLAGS, CLONE_OF_THREADS) } },
	/* Only to read the limits of this process. */
	{ "prlimit64", { IS(0, 0), NULL_POINTER(2) } },
	{ "prctl", { IS(0, PR_SET_NAME) } },
	{ "prctl", { IS(0, PR_SET_VMA) } },

	/* No signals to other processes: F_SETOWN, F_SETSIG.  No locks or
	 * leases for which other processes would wait.  No F_SETFL: it could
	 * remove O_APPEND from the transfer log, and O_ASYNC makes a terminal
	 * send signals; FIONBIO sets O_NONBLOCK. */
	FCNTL(IS(1, F_DUPFD)),
	FCNTL(IS(1, F_DUPFD_CLOEXEC)),
	FCNTL(IS(1, F_GETFD)),
	FCNTL(IS(1, F_SETFD)),
	FCNTL(IS(1, F_GETFL)),

	/* TIOCSTI, for example, would enter text on the terminal. */
	IOCTL(FIONBIO),
	IOCTL(FIONREAD),
	IOCTL(FIOCLEX),
	IOCTL(SIOCOUTQ),
	IOCTL(SIOCGIFINDEX),
	IOCTL(SIOCGIFNAME),
	IOCTL(TCGETS),

	/* Connections, DNS, and routes to sort addresses by. */
	SOCKET(AF_INET, SOCK_STREAM, 0),
	SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	SOCKET(AF_INET, SOCK_DGRAM, 0),
	SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
	SOCKET(AF_INET6, SOCK_STREAM, 0),
	SOCKET(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
	SOCKET(AF_INET6, SOCK_DGRAM, 0),
	SOCKET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
	/* ssh's control socket; the journal; services that look up names. */
	SOCKET(AF_UNIX, SOCK_STREAM, 0),
	SOCKET(AF_UNIX, SOCK_DGRAM, 0),
	/* Owners of sockets; addresses of interfaces. */
	SOCKET(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG),
	SOCKET(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
	SOCKET(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE),

	/* No filters (SO_ATTACH_FILTER), no other protocols above TCP, no
	 * multicast. */
	SET_OPTION(SOL_SOCKET, SO_KEEPALIVE),
	SET_OPTION(SOL_SOCKET, SO_OOBINLINE),
	SET_OPTION(SOL_SOCKET, SO_REUSEADDR),
	SET_OPTION(SOL_SOCKET, SO_LINGER),
	SET_OPTION(SOL_SOCKET, SO_SNDBUF),
	SET_OPTION(SOL_SOCKET, SO_RCVBUF),
	SET_OPTION(IPPROTO_TCP, TCP_NODELAY),
	SET_OPTION(IPPROTO_TCP, TCP_CORK),
	SET_OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
	SET_OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
	SET_OPTION(IPPROTO_TCP, TCP_KEEPCNT),
	SET_OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
	SET_OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	SET_OPTION(IPPROTO_IP, IP_RECVERR),
	SET_OPTION(IPPROTO_IPV6, IPV6_V6ONLY),
	SET_OPTION(IPPROTO_IPV6, IPV6_RECVERR),
	SET_OPTION(SOL_NETLINK, NETLINK_PKTINFO),
	SET_OPTION(SOL_NETLINK, NETLINK_EXT_ACK),
	SET_OPTION(SOL_NETLINK, NETLINK_GET_STRICT_CHK),
	GET_OPTION(SOL_SOCKET, SO_DOMAIN), /* tests/faults */
	GET_OPTION(SOL_SOCKET, SO_ERROR),
	GET_OPTION(SOL_SOCKET, SO_TYPE),
	GET_OPTION(SOL_SOCKET, SO_PEERCRED),
	/* SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST */
	GET_OPTION(IPPROTO_IP, 80),
	GET_OPTION(IPPROTO_IPV6, 80),
};

/* The same, if addresses of other hosts are used. */
static const struct rule foreign_rules[] = {
	SET_OPTION(IPPROTO_IP, IP_TRANSPARENT),
	SET_OPTION(IPPROTO_IPV6, IPV6_TRANSPARENT),
};

static int
allow_named(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && err == 0;
	     i++) {
		int call = seccomp_syscall_resolve_name(allowed[i]);

		/* Negative: a call of another architecture. */
		if (call >= 0)
			err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	}
	return err;
}

/* clang warns about libseccomp's own macros for comparisons. */
static int
allow_rule(scmp_filter_ctx filter, const struct rule *rule)
{
	const size_t max = sizeof(rule->args) / sizeof(rule->args[0]);
	int call = seccomp_syscall_resolve_name(rule->call);
	struct scmp_arg_cmp args[sizeof(rule->args) / sizeof(rule->args[0])];
	unsigned int n = 0;

	for (; n < max && rule->args[n].mask != 0; n++)
		args[n] = (struct scmp_arg_cmp) {
			.arg = rule->args[n].n,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = rule->args[n].mask,
			.datum_b = rule->args[n].value,
		};
	return call < 0 ?
	    0 :
	    seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, n, args);
}

/* abort() and raise(): a signal to a thread of this process. */
static int
allow_own_signals(scmp_filter_ctx filter)
{
	const struct rule rule = { "tgkill", { IS(0, getpid()) } };

	return allow_rule(filter, &rule);
}

/* Lets these calls fail with ENOSYS. */
static int
confine_seccomp_refuse(scmp_filter_ctx filter, const char *const *calls,
    size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && err == 0; i++) {
		int call = seccomp_syscall_resolve_name(calls[i]);

		if (call >= 0)
			err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
			    call, 0);
	}
	return err;
}

/* Loads the filter unless err is set, and releases it. */
static int
load_and_release(scmp_filter_ctx filter, int err)
{
	if (err == 0)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (err == 0)
		err = seccomp_load(filter);
	seccomp_release(filter);
	/* A kernel that was built without filters returns EINVAL. */
	return err == -EINVAL || err == -ENOSYS ? -EOPNOTSUPP : err;
}

int
confine_rings(void)
{
	static const char *const rings[] = { "io_uring_setup", "io_uring_enter",
		"io_uring_register" };
	scmp_filter_ctx filter;

	if (CONFINE_COVERAGE)
		return -EOPNOTSUPP;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (filter == NULL)
		return -ENOMEM;
	return load_and_release(filter,
	    confine_seccomp_refuse(filter, rings,
		sizeof(rings) / sizeof(rings[0])));
}

int
confine_calls(bool foreign)
{
	static const char *const in_memory[] = { "clone3", "openat2" };
	scmp_filter_ctx filter;
	int err;

	if (CONFINE_COVERAGE)
		return -EOPNOTSUPP;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return -ENOMEM;
	err = confine_seccomp_refuse(filter, in_memory,
	    sizeof(in_memory) / sizeof(in_memory[0]));
	if (err == 0)
		err = allow_named(filter);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && err == 0;
	     i++)
		err = allow_rule(filter, &rules[i]);
	for (size_t i = 0; foreign && err == 0 &&
	     i < sizeof(foreign_rules) / sizeof(foreign_rules[0]);
	     i++)
		err = allow_rule(filter, &foreign_rules[i]);
	if (err == 0)
		err = allow_own_signals(filter);
	return load_and_release(filter, err);
}
