/*
 * Messages to the service manager (the protocol of sd_notify(3)).
 *
 * The socket is connected at the start, because a confined process cannot do
 * that.  libsystemd's sd_notify() would connect one for each message.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

struct notify {
	int fd; /* -1: nobody expects messages */

	/* How often to send WATCHDOG=1, in milliseconds: half of the service
	 * manager's time-out.  0: never. */
	uint64_t watchdog_ms;
};

/*
 * Connects to NOTIFY_SOCKET and reads WATCHDOG_USEC and WATCHDOG_PID.  Removes
 * these variables from the environment, so that child processes do not see
 * them.  Without NOTIFY_SOCKET no messages are sent.  Returns 0 or a negative
 * errno; in both cases notify_send() may be called.
 */
int notify_open(struct notify *notify);

/* Sends one message of at most 500 bytes, such as "READY=1\nSTATUS=...".  Does
 * not block. */
void notify_send(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sends RELOADING=1 with MONOTONIC_USEC, the current time. */
void notify_reloading(const struct notify *notify);

void notify_close(struct notify *notify);

#endif
