/*
 * What monitor_main.c, monitor_child.c and monitor_request.c share: the state
 * of the monitor process.  Nobody else includes it.
 */
#ifndef SSH_MONITOR_MAIN_PRIV_H
#define SSH_MONITOR_MAIN_PRIV_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "limits.h"
#include "ssh/cmdline.h"
#include "ssh/monitor_priv.h"

/* Where the socket goes, so that all above can be closed. */
#define MONITOR_FD 3

/* One that runs, or that nobody has waited for. */
struct monitor_child {
	uint32_t number; /* 0: none */
	pid_t pid;
	bool apart;    /* it leads a session of its own */
	bool exporter; /* of metrics; SIGKILL is the only signal for it */
};

struct monitor_state {
	struct link_options first[LIMIT_DESTINATIONS];
	char directories[LIMIT_DESTINATIONS][CMDLINE_DIRECTORY_MAX];
	char *texts[LIMIT_DESTINATIONS]; /* heap, of those that were used */
	size_t n;
	const struct monitor_source *source;
	const char *log;	     /* or NULL */
	const char *remove;	     /* the same */
	const char *const *metrics;  /* the same: the exporter's arguments */
	char directory[PRIVDIR_MAX]; /* to be removed, or empty */
	int signal_fd;
	sigset_t ignored; /* from the start, and so by ssh */
	bool left_terminal;
	struct monitor_child children[MONITOR_PROCESSES_MAX];
};

/* The child with that number; number 0: a free place.  NULL: there is none. */
struct monitor_child *monitor_child(struct monitor_state *monitor,
    uint32_t number);

/* Starts the program of a request that was checked, as child; output becomes
 * what it writes.  If that fails the main process is told. */
void monitor_run(struct monitor_state *monitor, struct monitor_child *child,
    const struct monitor_request *request, int output);

/* The same with the exporter of metrics, which gets the listening socket. */
void monitor_run_exporter(struct monitor_state *monitor,
    struct monitor_child *child, uint32_t number, int listener);

/* Signals the child and what it has started. */
void monitor_kill(const struct monitor_child *child, int signum);

/* Removes the children that have exited from the table, and tells the main
 * process if answer is true. */
void monitor_reap(struct monitor_state *monitor, bool answer);

/* Ends all children and removes the directory. */
void monitor_end(struct monitor_state *monitor, int status)
    __attribute__((noreturn));

/* Takes one request from the socket, and does it. */
void monitor_request(struct monitor_state *monitor);

#endif
