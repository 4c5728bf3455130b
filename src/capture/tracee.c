/*
 * A thread whose system call waits for the supervisor.
 */
#include "capture/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

bool
tracee_fits_kernel(void)
{
	struct seccomp_notif_sizes sizes;

	return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 &&
	    sizes.seccomp_notif <= TRACEE_ROOM &&
	    sizes.seccomp_notif_resp <= TRACEE_ROOM;
}

/* Since Linux 6.9: of pidfd_open(2). */
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

int
tracee_next(struct tracee *ret, int notify)
{
	memset(ret, 0, sizeof(*ret));
	ret->notify = notify;
	while (ioctl(notify, SECCOMP_IOCTL_NOTIF_RECV, &ret->call) != 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

bool
tracee_is_native(const struct tracee *tracee)
{
	bool native = tracee->call.data.arch == seccomp_arch_native();

#ifdef __x86_64__
	/* The x32 ABI has the same architecture, and numbers from here on. */
	native &= tracee->call.data.nr < 0x40000000;
#endif
	return native;
}

/* Returns 0, or -ENOENT: what was read may be another process's. */
static int
still_waits(const struct tracee *tracee)
{
	uint64_t id = tracee->call.id;

	return ioctl(tracee->notify, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0 ?
	    0 :
	    -ENOENT;
}

int
tracee_read(const struct tracee *tracee, uint64_t at, void *ret, size_t size)
{
	struct iovec here = { .iov_base = ret, .iov_len = size };
	struct iovec there = { .iov_len = size };
	ssize_t n;

	/* A number in the other process, not a pointer of ours. */
	memcpy(&there.iov_base, &at, sizeof(there.iov_base));
	n = process_vm_readv((pid_t)tracee->call.pid, &here, 1, &there, 1, 0);
	if (n < 0)
		return -errno;
	if ((size_t)n != size)
		return -EFAULT;
	return still_waits(tracee);
}

int
tracee_write(const struct tracee *tracee, uint64_t at, const void *bytes,
    size_t size)
{
	struct iovec here = { .iov_len = size }, there = { .iov_len = size };
	ssize_t n;

	memcpy(&here.iov_base, &bytes, sizeof(here.iov_base));
	memcpy(&there.iov_base, &at, sizeof(there.iov_base));
	if (still_waits(tracee) != 0)
		return -ENOENT;
	n = process_vm_writev((pid_t)tracee->call.pid, &here, 1, &there, 1, 0);
	return n < 0 ? -errno : (size_t)n != size ? -EFAULT : 0;
}

/* The kernel's struct sigaction up to the flags, which is not libc's. */
struct kernel_action {
	uint64_t handler;
	uint64_t flags;
};

void
tracee_restart_calls(const struct tracee *tracee)
{
	uint64_t at = tracee->call.data.args[1];
	struct kernel_action action;

	if (tracee_read(tracee, at, &action, sizeof(action)) != 0 ||
	    (action.flags & SA_RESTART) != 0)
		return;
	action.flags |= SA_RESTART;
	tracee_write(tracee, at + offsetof(struct kernel_action, flags),
	    &action.flags, sizeof(action.flags));
}

/* Returns the process of that thread, or 0. */
static pid_t
process_of(pid_t thread)
{
	static const char key[] = "Tgid:";
	char path[64], line[128];
	unsigned long pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			pid = strtoul(line + strlen(key), NULL, 10);
	fclose(file);
	return (pid_t)pid;
}

/* Opens the thread (pidfd_open(2)), or its process before Linux 6.9.  Returns
 * the descriptor or a negative errno. */
static int
open_thread(pid_t thread, bool *ret_is_process)
{
	int fd = (int)syscall(SYS_pidfd_open, thread, PIDFD_THREAD);

	*ret_is_process = fd < 0 && errno == EINVAL;
	if (*ret_is_process) {
		thread = process_of(thread);
		if (thread == 0)
			return -ENOENT;
		fd = (int)syscall(SYS_pidfd_open, thread, 0);
	}
	return fd < 0 ? -errno : fd;
}

/* Is fd the open file that the thread has there?  Threads may have tables of
 * descriptors of their own (CLONE_FILES in clone(2)). */
static bool
is_its_file(const struct tracee *tracee, int there, int fd)
{
	struct stat st[2];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)tracee->call.pid,
	    there);
	return stat(path, &st[0]) == 0 && fstat(fd, &st[1]) == 0 &&
	    st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino;
}

int
tracee_copy_fd(const struct tracee *tracee, int fd)
{
	bool is_process;
	CLEANUP(cleanup_fd)
	int thread = open_thread((pid_t)tracee->call.pid, &is_process);
	CLEANUP(cleanup_fd) int copy = -1;
	int err;

	if (thread < 0)
		return thread;
	copy = (int)syscall(SYS_pidfd_getfd, thread, fd, 0);
	if (copy < 0)
		return -errno;
	err = still_waits(tracee);
	if (err == 0 && is_process && !is_its_file(tracee, fd, copy))
		err = -ESRCH;
	return err != 0 ? err : steal_fd(&copy);
}

const char *
tracee_name(const struct tracee *tracee, char text[TRACEE_NAME_MAX])
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)tracee->call.pid);
	file = fopen(path, "re");
	if (file != NULL) {
		if (fgets(name, sizeof(name), file) == NULL)
			*name = '\0';
		fclose(file);
	}
	return log_escape(text, TRACEE_NAME_MAX, name, strcspn(name, "\n"));
}

/* It fails if the thread was killed meanwhile, which needs no answer. */
static void
respond(const struct tracee *tracee, struct seccomp_notif_resp response)
{
	union {
		struct seccomp_notif_resp response;
		char room[TRACEE_ROOM];
	} answer;

	memset(&answer, 0, sizeof(answer));
	answer.response = response;
	answer.response.id = tracee->call.id;
	ioctl(tracee->notify, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void
tracee_continue(const struct tracee *tracee)
{
	respond(tracee,
	    (struct seccomp_notif_resp) {
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE });
}

void
tracee_return(const struct tracee *tracee, int result)
{
	respond(tracee, (struct seccomp_notif_resp) { .error = result });
}

void
tracee_return_fd(const struct tracee *tracee, int fd, bool close_on_exec)
{
	const struct seccomp_notif_addfd add = {
		.id = tracee->call.id,
		.srcfd = (uint32_t)fd,
		.newfd_flags = close_on_exec ? O_CLOEXEC : 0,
	};
	int there = ioctl(tracee->notify, SECCOMP_IOCTL_NOTIF_ADDFD, &add);

	if (there >= 0)
		respond(tracee, (struct seccomp_notif_resp) { .val = there });
	else
		tracee_return(tracee, -errno);
}

void
tracee_kill(const struct tracee *tracee)
{
	CLEANUP(cleanup_fd) int process = -1;
	pid_t pid = process_of((pid_t)tracee->call.pid);

	if (pid != 0)
		process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process >= 0 && still_waits(tracee) == 0)
		syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
}
