/*
 * Words to the service manager: sd_notify(3)'s protocol.
 *
 * The socket is connected once, at the start, since a confined process cannot;
 * libsystemd's sd_notify() makes one for each word.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

struct notify {
	int fd; /* -1: nobody wants to know */

	/* A sign of life is wanted as often, in milliseconds; 0: never. */
	uint64_t watchdog_ms;
};

/*
 * Connects to NOTIFY_SOCKET, reads WATCHDOG_USEC and WATCHDOG_PID, and takes
 * all of them out of the environment: they are not for what is started later.
 * Without them it does nothing.  0 or a negative errno, and nobody is told
 * then.
 */
int notify_open(struct notify *notify);

/* One message, of at most 500 bytes: "READY=1\nSTATUS=..."; nobody waits. */
void notify_send(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "RELOADING=1", with the time that goes with it. */
void notify_reloading(const struct notify *notify);

void notify_close(struct notify *notify);

#endif
