/*
 * The filter of a command, made with libseccomp.
 */
#include "capture/exec_filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "capture/tracee.h"

/* Since Linux 5.19: once the supervisor has a notification, only SIGKILL ends
 * the wait.  Otherwise any signal would repeat the connect(2). */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* Calls with flags, and the argument that has them. */
static const struct {
	int call;
	unsigned flags;
} fast_open[] = {
	{ SCMP_SYS(sendto), 3 },
	{ SCMP_SYS(sendmsg), 2 },
	{ SCMP_SYS(sendmmsg), 3 },
};

/* Only calls that want the peer's address. */
static const int accepting[] = { SCMP_SYS(accept), SCMP_SYS(accept4) };

/* open(2) does not exist on all architectures; libseccomp then skips it. */
static const int opening[] = {
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
};

static int
exec_filter_rules(scmp_filter_ctx filter, bool names)
{
	int err =
	    seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_NOTIFY);

	if (err == 0)
		err = seccomp_rule_add(filter, SCMP_ACT_NOTIFY,
		    SCMP_SYS(connect), 0);
	if (err == 0)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
		    SCMP_SYS(io_uring_setup), 0);
	if (err == 0)
		err = seccomp_rule_add(filter, SCMP_ACT_NOTIFY,
		    SCMP_SYS(rt_sigaction), 2,
		    SCMP_CMP(0, SCMP_CMP_EQ, SIGCHLD, 0),
		    SCMP_CMP(1, SCMP_CMP_NE, 0, 0));
	/* A socket of AF_SMC is TCP to its peer. */
	if (err == 0)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT),
		    SCMP_SYS(socket), 1, SCMP_CMP(0, SCMP_CMP_EQ, AF_SMC, 0));
	for (size_t i = 0;
	     i < sizeof(accepting) / sizeof(accepting[0]) && err == 0; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, accepting[i], 1,
		    SCMP_CMP(1, SCMP_CMP_NE, 0, 0));
	for (size_t i = 0;
	     i < sizeof(fast_open) / sizeof(fast_open[0]) && err == 0; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP),
		    fast_open[i].call, 1,
		    SCMP_CMP(fast_open[i].flags, SCMP_CMP_MASKED_EQ,
			MSG_FASTOPEN, MSG_FASTOPEN));
	for (size_t i = 0;
	     names && i < sizeof(opening) / sizeof(opening[0]) && err == 0; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, opening[i], 0);
	return err;
}

/* libseccomp can load a filter itself, but not yet with all flags. */
static int
load_program(int file)
{
	const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	struct sock_fprog program;
	struct stat st;
	long fd;

	if (fstat(file, &st) != 0)
		return -errno;
	program.len =
	    (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	program.filter =
	    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (program.filter == MAP_FAILED)
		return -errno;
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags,
		    &program);
	return fd < 0 ? -errno : (int)fd;
}

int
exec_filter_load(bool names)
{
	CLEANUP(cleanup_fd)
	int file = memfd_create("culvert-exec-filter", MFD_CLOEXEC);
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int err = -ENOMEM;

	if (!tracee_fits_kernel())
		err = -E2BIG;
	else if (file < 0)
		err = -errno;
	else if (filter != NULL)
		err = exec_filter_rules(filter, names);
	if (err == 0)
		err = seccomp_export_bpf(filter, file);
	if (filter != NULL)
		seccomp_release(filter);
	if (err == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		err = -errno;
	return err != 0 ? err : load_program(file);
}
