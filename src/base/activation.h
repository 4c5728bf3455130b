/*
 * Socket activation: listening sockets that the service manager has opened and
 * passes to culvert (the protocol of sd_listen_fds(3)).  A tunnel with the
 * listening address of one of them uses that socket instead of a new one.
 */
#ifndef BASE_ACTIVATION_H
#define BASE_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "limits.h"

struct activation {
	struct {
		int fd;
		struct addr at;
		bool used;  /* it was taken at least once */
		bool taken; /* a tunnel has it now */
	} sockets[LIMIT_ACTIVATED];
	size_t n;
};

/*
 * Takes over the sockets of LISTEN_FDS, if LISTEN_PID is this process.  Removes
 * both variables and LISTEN_FDNAMES from the environment, so that child
 * processes do not see them.  Returns 0, also without any socket; or -EINVAL,
 * with the reason in why, if one is not a listening TCP socket or there are too
 * many.
 */
int activation_take(struct activation *activation, char *why, size_t why_size);

/*
 * Returns a descriptor of the socket that listens on *at; the caller owns it.
 * It is a copy, so that the socket can be taken again later.  dual: "::" stands
 * for all addresses; then 0.0.0.0 matches too, if no socket has "::".  Returns
 * -1 if there is no such socket, it is taken, or no descriptor is left.
 */
int activation_find(struct activation *activation, const struct addr *at,
    bool dual);

/* The descriptor of the socket that listens on *at was closed, so it may be
 * taken again.  Does nothing if there is no such socket. */
void activation_give_back(struct activation *activation, const struct addr *at);

/* Returns the address of a socket that was never taken, or NULL. */
const struct addr *activation_unused(const struct activation *activation);

void activation_close(struct activation *activation);

#endif
