/*
 * Confinement: the process gives up what it need not have, in stages, for good,
 * before it reads the first byte of a peer.
 *
 * What is left to whoever takes the process over: TCP to and from anywhere,
 * Unix sockets, which can be made in one directory, reading what the look-up of
 * names needs, and threads.  No program can be run, no process made, signalled
 * or traced, no other file opened and none made, no privilege used or gained.
 *
 * Most of this belongs to a thread, and threads inherit it: call it while there
 * is one.
 */
#ifndef BASE_CONFINE_H
#define BASE_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * In this order.  The first two before uv_loop_init(): libuv >= 1.45 makes a
 * ring of io_uring there, by which system calls can be made that no filter
 * sees; where it cannot, it uses epoll alone.  CONFINE_BOUNDING while still
 * root, where one is root.
 */
enum confine_stage {
	CONFINE_NO_PRIVILEGES, /* no program run from here on gains any */
	CONFINE_RINGS,	       /* io_uring fails with ENOSYS */
	CONFINE_BOUNDING,      /* no capability can be gained */
	CONFINE_CAPABILITIES,  /* none of them, but see low_ports */
	CONFINE_MEMORY,	       /* no core file, no tracing by the same user */
	CONFINE_FILES,	       /* Landlock */
	CONFINE_CALLS,	       /* seccomp */
};

#define CONFINE_STAGES 7

struct confine_options {
	const char
	    *directory; /* for sockets and directories of ours; or NULL */
	bool low_ports; /* ports below 1024 are still to be bound */
};

enum confine_result {
	CONFINE_DONE,
	CONFINE_NOT_HERE, /* the kernel, or this user, does not have it */
	CONFINE_FAILED,
};

/* Bytes of a text that is enough for what confine() says. */
#define CONFINE_TEXT_MAX 160

/*
 * One stage, once.  text: what it is, and, unless it is done, why not
 * ("Landlock (ABI 7)"; "Landlock: the kernel has none").
 */
enum confine_result confine(enum confine_stage stage,
    const struct confine_options *options, char text[CONFINE_TEXT_MAX]);

#endif
