/*
 * Cleanup attributes: what a variable holds is released when the function
 * returns.
 *
 *	CLEANUP(cleanup_fd) int fd = -1;
 *	...
 *	*ret_fd = steal_fd(&fd);
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/* Closes *fd unless it is negative. */
static inline void
cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Frees the heap string that *text points at; NULL is allowed. */
static inline void
cleanup_text(char **text)
{
	free(*text);
}

/* Takes the descriptor out of *fd, which becomes -1. */
static inline int
steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Takes the string out of *text, which becomes NULL. */
static inline char *
steal_text(char **text)
{
	char *taken = *text;

	*text = NULL;
	return taken;
}

#endif
