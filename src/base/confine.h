/*
 * Confinement: the process permanently gives up every right that it does not
 * need, in stages, before it reads the first byte from a peer.
 *
 * An attacker who controls the process can then still use TCP to and from
 * anywhere, use Unix sockets and create them in one directory, read the files
 * that the look-up of names needs, and start threads.  He can run no program;
 * start, signal or trace no process; open no other file and create none; and
 * use or gain no privilege.
 *
 * Most of this applies to one thread and is inherited by its new threads, so
 * call it while there is only one thread.
 */
#ifndef BASE_CONFINE_H
#define BASE_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The stages, in the order in which they are performed.  The first two must
 * precede uv_loop_init(): libuv >= 1.45 creates an io_uring there, and seccomp
 * does not see system calls that are made through it.  Without an io_uring,
 * libuv uses epoll alone.  A process that was started as root must still be
 * root at CONFINE_BOUNDING.
 */
enum confine_stage {
	CONFINE_NO_PRIVILEGES, /* no gain by running a program */
	CONFINE_RINGS,	       /* io_uring fails with ENOSYS */
	CONFINE_BOUNDING,      /* no capability can be gained */
	CONFINE_CAPABILITIES,  /* none, except for low_ports and foreign */
	CONFINE_MEMORY,	       /* no core file, no tracing by the same user */
	CONFINE_FILES,	       /* Landlock */
	CONFINE_CALLS,	       /* seccomp */
};

#define CONFINE_STAGES 7

struct confine_options {
	/* Where the process may create sockets and directories, or NULL. */
	const char *directory;
	bool low_ports; /* keep the right to bind ports below 1024 */
	bool foreign;	/* keep the right to use addresses of other hosts
			 * (IP_TRANSPARENT) */
};

enum confine_result {
	CONFINE_DONE,
	CONFINE_NOT_HERE, /* not available in this kernel or to this user */
	CONFINE_FAILED,
};

/*
 * The capabilities that are kept, as a mask (base/caps.h).  Of the two that
 * permit IP_TRANSPARENT, CAP_NET_RAW is kept: CONFINE_CALLS refuses everything
 * else that it permits.  CAP_NET_ADMIN could change routes and packet filters.
 */
uint64_t confine_kept(const struct confine_options *options);

/* Longest text of confine(), with its NUL. */
#define CONFINE_TEXT_MAX 160

/*
 * Performs one stage.  Call it once for each stage.  text becomes the name of
 * the stage and, if it was not performed, the reason ("Landlock (ABI 7)";
 * "Landlock: the kernel does not support it").
 */
enum confine_result confine(enum confine_stage stage,
    const struct confine_options *options, char text[CONFINE_TEXT_MAX]);

#endif
