/*
 * Listening sockets that the service manager has opened before us, and keeps
 * when we end: sd_listen_fds(3)'s protocol.  A tunnel that is to listen where
 * one of them does takes it instead of making its own.
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
		bool used;  /* some time */
		bool taken; /* now */
	} sockets[LIMIT_ACTIVATED];
	size_t n;
};

/*
 * Takes them: of LISTEN_FDS, where LISTEN_PID is ours; both, and
 * LISTEN_FDNAMES, leave the environment, since they are not for what is started
 * later.  0, with none or more; or -EINVAL with a text for people in why, when
 * one is not a listening TCP socket or there are too many.
 */
int activation_take(struct activation *activation, char *why, size_t why_size);

/*
 * A descriptor, the caller's, of the one that listens at *at.  dual: "::"
 * stands for all addresses, as 0.0.0.0 does where nothing has "::".  -1: there
 * is none that nobody else has, or no descriptor is left.  The first always
 * keeps one itself, so that it can be asked for again.
 */
int activation_find(struct activation *activation, const struct addr *at,
    bool dual);

/* Whoever had the one that listens at *at, if there is one, has closed his
 * descriptor. */
void activation_give_back(struct activation *activation, const struct addr *at);

/* One that nobody has asked for, or NULL. */
const struct addr *activation_unused(const struct activation *activation);

void activation_close(struct activation *activation);

#endif
