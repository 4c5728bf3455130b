/*
 * What the main process and the monitor say to each other: one packet each, of
 * fixed size, on a SOCK_SEQPACKET pair.  Both are the same program.
 */
#ifndef SSH_MONITOR_PRIV_H
#define SSH_MONITOR_PRIV_H

#include <stdint.h>

#include "limits.h"
#include "ssh/monitor.h"

/* So many run at a time for each destination: a master of each link, and two
 * ssh -G. */
#define MONITOR_PROCESSES (LIMIT_LINKS + 2)

/* That many for n destinations; one more is the exporter of metrics. */
#define MONITOR_PLACES(n) ((n)*MONITOR_PROCESSES + 1)
#define MONITOR_PROCESSES_MAX MONITOR_PLACES(LIMIT_DESTINATIONS)

/* The monitor's first word: it stands, or why not. */
struct monitor_hello {
	int32_t err;	/* 0 or a negative errno */
	char text[512]; /* a sentence: why not, or what was passed over */
	char directory[PRIVDIR_MAX];
};

enum monitor_request_type {
	MONITOR_START = 1, /* with one file descriptor (SCM_RIGHTS) */
	MONITOR_SIGNAL,	   /* without, and so the others */
	MONITOR_READ,
	MONITOR_USE,
	MONITOR_OPEN_LOG,
	MONITOR_LEAVE_TERMINAL,
	MONITOR_START_METRICS, /* with one, too */
};

struct monitor_request {
	uint32_t type;
	uint32_t number; /* of the process: the main process's choice, not 0 */
	/* MONITOR_START: a struct cmdline */
	uint32_t kind;
	uint32_t to;
	uint32_t link;
	uint32_t timeouts;
	char ciphers[LIMIT_SSH_CIPHERS]; /* or empty */
	/* MONITOR_SIGNAL */
	int32_t signum;
	/* MONITOR_USE, and to */
	char name[LIMIT_TUNNEL_NAME + 1];
};

enum monitor_answer_type {
	MONITOR_ENDED,	    /* a process: struct monitor_end */
	MONITOR_HAS_READ,   /* with a descriptor, unless err */
	MONITOR_HAS_OPENED, /* the same */
};

struct monitor_answer {
	uint32_t type;
	uint32_t number;
	int32_t err;
	int32_t status;
	int32_t signal;
};

/* The monitor itself, on its end of the pair: monitor_main.c.  Never returns.
 */
void monitor_main(int fd, const struct monitor_options *options)
    __attribute__((noreturn));

#endif
