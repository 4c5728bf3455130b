/*
 * A thread of the command whose system call waits for the supervisor
 * (seccomp_unotify(2)): what it wants, and its answer.
 *
 * While the supervisor reads its memory, the thread may be killed, and its
 * number be given to another process.  So each function that reads something of
 * the thread then asks the kernel whether the call still waits, and fails with
 * -ENOENT if not.  Another thread of the command may change the memory at any
 * time: nothing may be decided about one copy and done with another.
 */
#ifndef CAPTURE_TRACEE_H
#define CAPTURE_TRACEE_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Room for what the kernel writes and reads, which may grow; see
 * tracee_fits_kernel(). */
#define TRACEE_ROOM 512

struct tracee {
	int notify; /* the filter's descriptor; borrowed */
	union {
		struct seccomp_notif call;
		char room[TRACEE_ROOM];
	};
};

/* Are the kernel's structures no larger than TRACEE_ROOM? */
bool tracee_fits_kernel(void);

/* Longest name of a program, with its NUL (comm in proc(5)). */
#define TRACEE_NAME_MAX 64

/* Takes the next call that waits on notify.  Returns 0; -ENOENT: none does; or
 * another negative errno. */
int tracee_next(struct tracee *ret, int notify);

/* Is the call of this program's own architecture, whose numbers and arguments
 * the supervisor knows? */
bool tracee_is_native(const struct tracee *tracee);

/* Copies size bytes of its memory.  Returns 0 or a negative errno; -EPERM if
 * the supervisor may not read it (ptrace(2)). */
int tracee_read(const struct tracee *tracee, uint64_t at, void *ret,
    size_t size);

/* Writes size bytes to its memory.  Returns 0 or a negative errno. */
int tracee_write(const struct tracee *tracee, uint64_t at, const void *bytes,
    size_t size);

/*
 * For its rt_sigaction(2) that sets a handler: adds SA_RESTART, in its memory,
 * if that can be written.
 *
 * A signal that comes before tracee_next() has taken a call makes it fail with
 * EINTR if the signal's handler has no SA_RESTART.  A connect(2) that does not
 * wait never fails so without us, and a program may not be prepared for it:
 * lftp gives up.  SIGCHLD comes often, as look-ups of names in processes end
 * right before the connection.
 */
void tracee_restart_calls(const struct tracee *tracee);

/* Makes a copy of its descriptor fd, close-on-exec, for the same open file
 * (pidfd_getfd(2)); the caller closes it.  Returns the copy or a negative
 * errno: -ESRCH if the thread's descriptors cannot be seen, because the kernel
 * is older than Linux 6.9, and they are its own, or the process's first thread
 * has ended. */
int tracee_copy_fd(const struct tracee *tracee, int fd);

/* Its program's name, escaped for the log; returns text. */
const char *tracee_name(const struct tracee *tracee,
    char text[TRACEE_NAME_MAX]);

/* The call goes on as if there were no filter. */
void tracee_continue(const struct tracee *tracee);

/* The call returns 0, or fails with a negative errno. */
void tracee_return(const struct tracee *tracee, int result);

/* The call returns a new descriptor of the open file of fd, close-on-exec or
 * not.  If that cannot be made, it fails. */
void tracee_return_fd(const struct tracee *tracee, int fd, bool close_on_exec);

/* Kills its process. */
void tracee_kill(const struct tracee *tracee);

#endif
