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
		bool used;  /* a tunnel has used it at least once */
		bool taken; /* a tunnel uses it now */
	} sockets[LIMIT_ACTIVATED];
	size_t n;
};

/*
 * Takes over the sockets of LISTEN_FDS, if LISTEN_PID is this process.  Removes
 * LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES from the environment, so that child
 * processes do not see them.  Returns 0, also if there is no socket; or
 * -EINVAL, with the reason in why, if one is not a listening TCP socket or
 * there are more than LIMIT_ACTIVATED.
 */
int activation_take(struct activation *activation, char *why, size_t why_size);

/*
 * Returns a descriptor of the socket that listens on *at; the caller owns it.
 * It is a copy, so that the socket can be taken again later.  dual: *at stands
 * for all addresses of both families if it is 0.0.0.0 or "::"; then a socket on
 * either of the two matches.  Returns -1 if there is no such socket, it is
 * taken, or no descriptor is left.
 */
int activation_find(struct activation *activation, const struct addr *at,
    bool dual);

/* Makes the socket that listens on *at available again.  Call it when the
 * descriptor from activation_find() has been closed.  Does nothing if there is
 * no such socket. */
void activation_give_back(struct activation *activation, const struct addr *at);

/* Returns the address of a socket that was never taken, or NULL. */
const struct addr *activation_unused(const struct activation *activation);

/* Closes all sockets. */
void activation_close(struct activation *activation);

#endif
