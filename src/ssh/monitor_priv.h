/*
 * What the main process and the monitor send to each other: one packet each, of
 * fixed size, on a SOCK_SEQPACKET pair (both are the same program); and what
 * the files of the monitor process share.
 */
#ifndef SSH_MONITOR_PRIV_H
#define SSH_MONITOR_PRIV_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/account.h"
#include "limits.h"
#include "ssh/monitor.h"

/* The processes of n destinations: a master of each link and two ssh -G; those
 * of logins, some of which may be ending; and one exporter. */
#define MONITOR_PLACES(n) ((n) * (LIMIT_LINKS + 2) + LIMIT_SSH_LOGINS + 1)
#define MONITOR_PROCESSES_MAX MONITOR_PLACES(LIMIT_DESTINATIONS)

/* The first packet of the monitor, with the descriptor of the log. */
struct monitor_hello {
	int32_t err;	/* 0, or a negative errno: it has ended */
	char text[512]; /* the reason; or a warning, or "" */
	char directory[PRIVDIR_MAX];
};

enum monitor_request_type {
	MONITOR_START = 1, /* with a descriptor (SCM_RIGHTS) */
	MONITOR_SIGNAL,
	MONITOR_READ,
	MONITOR_USE,
	MONITOR_OPEN_LOG,
	MONITOR_LEAVE_TERMINAL,
	MONITOR_START_METRICS, /* with a descriptor */
};

struct monitor_request {
	uint32_t type;
	uint32_t number; /* of the process; the main process chooses, not 0 */
	/* MONITOR_START: a struct cmdline */
	uint32_t kind;
	uint32_t to; /* also MONITOR_USE */
	uint32_t link;
	uint32_t timeouts;
	char ciphers[LIMIT_SSH_CIPHERS]; /* or "" */
	struct account account;		 /* of CMDLINE_LOGIN; else zeroed */
	/* MONITOR_SIGNAL */
	int32_t signum;
	/* MONITOR_USE */
	char name[LIMIT_TUNNEL_NAME + 1];
};

struct monitor_answer {
	uint32_t type;	 /* of the request: MONITOR_READ and _OPEN_LOG have a
			  * descriptor or err; others: the process has ended */
	uint32_t number; /* of the process */
	int32_t err;
	int32_t status;
	int32_t signal;
};

/* The monitor itself, on its end of the pair. */
void monitor_main(int fd, const struct monitor_options *options)
    __attribute__((noreturn));

/* ---- the monitor process ---- */

/* Its end of the pair; all higher descriptors are closed at its start. */
#define MONITOR_FD 3

/* A process that it has started and not yet waited for. */
struct monitor_child {
	uint32_t number; /* 0: none */
	pid_t pid;
	bool apart;    /* it leads a session of its own */
	bool exporter; /* it gets no signal but SIGKILL */
};

struct monitor_state {
	struct link_options first[LIMIT_DESTINATIONS];
	char directories[LIMIT_DESTINATIONS][CMDLINE_DIRECTORY_MAX];
	char *texts[LIMIT_DESTINATIONS]; /* of MONITOR_USE, on the heap */
	size_t n;
	const struct monitor_options *options;
	char directory[PRIVDIR_MAX]; /* to remove, or "" */
	int signal_fd;
	sigset_t ignored; /* signals that ssh ignores */
	bool left_terminal;
	char self[PATH_MAX]; /* this program, for SSH_ASKPASS; "": not known */
	struct monitor_child children[MONITOR_PROCESSES_MAX];
};

/* The child with that number; number 0: a free place.  NULL if there is none.
 */
struct monitor_child *monitor_child(struct monitor_state *monitor,
    uint32_t number);

/* Starts the program of a request that was checked, as child; fd as in
 * monitor_start() or monitor_start_metrics().  Reports a failure to the main
 * process. */
void monitor_run(struct monitor_state *monitor, struct monitor_child *child,
    const struct monitor_request *request, int fd);

/* Signals the child and what it has started. */
void monitor_kill(const struct monitor_child *child, int signum);

/* Removes children that have ended from the table; answer: and reports them to
 * the main process. */
void monitor_reap(struct monitor_state *monitor, bool answer);

/* Ends all children, removes the directory, and exits. */
void monitor_end(struct monitor_state *monitor, int status)
    __attribute__((noreturn));

/* Receives one request, and does it. */
void monitor_request(struct monitor_state *monitor);

#endif
