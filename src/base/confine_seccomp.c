/*
 * Which system calls can be made: a list of those that are, for seccomp(2), by
 * libseccomp.  All others fail with EPERM, which a program can survive that
 * does something new; clone3 with ENOSYS, since its flags cannot be looked at,
 * so that libc goes back to clone.
 *
 * What is here is what culvert, libuv and glibc need once the process has
 * started: run the tests under strace to see it.
 */
#include "base/confine_priv.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

/* prctl(2): names for memory, by malloc of glibc >= 2.38. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Which argument of clone(2) has its flags. */
#ifdef __s390__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* With any arguments.  One that this machine does not have is left out. */
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
	"getsockopt",
	"setsockopt",
	"close",
	"close_range",
	"dup",
	"dup2",
	"dup3",
	"fcntl",
	"fcntl64",
	"pipe2",
	"lseek",
	"_llseek",
	"pread64",
	/* files, as far as Landlock lets them be opened */
	"open",
	"openat",
	"openat2",
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
	"mkdir",
	"mkdirat",
	"fchmod",
	"umask",
	/* waiting */
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
	"timerfd_create",
	"timerfd_settime",
	"timerfd_gettime",
	"inotify_init1",
	"inotify_add_watch",
	"inotify_rm_watch",
	"restart_syscall",
	"nanosleep",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"wait4",
	"waitid",
	"waitpid",
	/* memory, threads, signals to ourselves */
	"mmap",
	"mmap2",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"brk",
	"futex",
	"futex_time64",
	"futex_waitv",
	"set_robust_list",
	"get_robust_list",
	"rseq",
	"set_tid_address",
	"membarrier",
	"sched_yield",
	"sched_getaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigreturn",
	"rt_sigpending",
	"rt_sigtimedwait",
	"sigaltstack",
	"exit",
	"exit_group",
	"arch_prctl",
	/* who and when we are */
	"getpid",
	"gettid",
	"getppid",
	"getpgrp",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getresuid",
	"getresgid",
	"getgroups",
	"getuid32",
	"geteuid32",
	"getgid32",
	"getegid32",
	"getresuid32",
	"getresgid32",
	"clock_gettime",
	"clock_gettime64",
	"clock_getres",
	"gettimeofday",
	"time",
	"times",
	"uname",
	"sysinfo",
	"getrandom",
	"getrlimit",
	"ugetrlimit",
	"getrusage",
	"getcpu",
#if CONFINE_SANITIZED
	/* LeakSanitizer stops the threads of the process by another one that
	 * traces it. */
	"clone",
	"ptrace",
	"prctl",
	"kill",
	"tkill",
	"tgkill",
	"process_vm_readv",
#endif
};

static int
allow_named(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && err == 0;
	     i++) {
		int call = seccomp_syscall_resolve_name(allowed[i]);

		/* Numbers below zero are calls of other machines. */
		if (call >= 0)
			err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	}
	return err;
}

/* An argument of 32 bits, all that the kernel looks at.  (Of libseccomp's own
 * macros for that clang complains.) */
static struct scmp_arg_cmp
arg_is(unsigned int n, uint32_t value)
{
	return (struct scmp_arg_cmp) {
		.arg = n,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = UINT32_MAX,
		.datum_b = value,
	};
}

/* Connections, the control socket of ssh, the kernel's tables. */
static int
allow_sockets(scmp_filter_ctx filter)
{
	static const int families[] = { AF_INET, AF_INET6, AF_UNIX };
	static const int tables[] = { NETLINK_ROUTE, NETLINK_SOCK_DIAG };
	int call = SCMP_SYS(socket);
	int err = 0;

	for (size_t i = 0;
	     i < sizeof(families) / sizeof(families[0]) && err == 0; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
		    arg_is(0, (unsigned)families[i]));
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && err == 0;
	     i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 2,
		    arg_is(0, AF_NETLINK), arg_is(2, (unsigned)tables[i]));
	if (err == 0)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW,
		    SCMP_SYS(socketpair), 1, arg_is(0, AF_UNIX));
	return err;
}

/* Some, since others put words into the mouth of the terminal (TIOCSTI). */
static int
allow_ioctls(scmp_filter_ctx filter)
{
	static const unsigned long requests[] = { FIONBIO, FIONREAD, FIOCLEX,
		SIOCOUTQ, SIOCGIFINDEX, SIOCGIFNAME, TCGETS, TIOCGWINSZ };
	int err = 0;

	for (size_t i = 0;
	     i < sizeof(requests) / sizeof(requests[0]) && err == 0; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl),
		    1, arg_is(1, (uint32_t)requests[i]));
	return err;
}

/* Threads are made, and no processes. */
static int
allow_threads(scmp_filter_ctx filter)
{
	const scmp_datum_t thread = CLONE_THREAD | CLONE_VM;
	int err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
	    SCMP_SYS(clone3), 0);

	if (err == 0)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone),
		    1,
		    SCMP_CMP(CLONE_FLAGS, SCMP_CMP_MASKED_EQ, thread, thread));
	/* abort() and raise(): a signal to a thread of this process. */
	if (err == 0)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill),
		    1, arg_is(0, (unsigned)getpid()));
	return err;
}

/* Names and limits of our own. */
static int
allow_self(scmp_filter_ctx filter)
{
	static const unsigned int options[] = { PR_SET_NAME, PR_GET_NAME,
		PR_SET_VMA };
	int err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64),
	    1, arg_is(0, 0));

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && err == 0;
	     i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl),
		    1, arg_is(0, options[i]));
	return err;
}

int
confine_calls(void)
{
	scmp_filter_ctx filter;
	int err;

	if (CONFINE_COVERAGE)
		return -EOPNOTSUPP;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return -ENOMEM;
	err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (err == 0)
		err = allow_named(filter);
	if (err == 0)
		err = allow_sockets(filter);
	if (err == 0)
		err = allow_ioctls(filter);
	if (err == 0)
		err = allow_threads(filter);
	if (err == 0)
		err = allow_self(filter);
	if (err == 0)
		err = seccomp_load(filter);
	seccomp_release(filter);
	/* EINVAL is the kernel's where it was built without filters. */
	return err == -EINVAL || err == -ENOSYS ? -EOPNOTSUPP : err;
}
