/*
 * A real sshd, a link to it and its forwards, TCP peers behind it, streams with
 * what they were told.  For test_link*.c, test_reconnect.c and test_far.c.
 * Bytes of a test are a pattern, so that each byte that arrives is checked at
 * its place.
 */
#ifndef UNIT_SSHENV_H
#define UNIT_SSHENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "ssh/link.h"
#include "ssh/links.h"
#include "ssh/monitor.h"
#include "ssh/window.h"

/* ---- sshd and the link ---- */

struct sshenv {
	uv_loop_t loop;
	uv_timer_t watchdog;
	char directory[64];
	int port; /* of sshd */
	pid_t sshd;
	int sshd_words; /* its standard error */
	char arguments[8][128];
	const char *argument_list[16];
	struct window_budget budget;
	struct link_options options;
	bool keep_session;	 /* for link_start() */
	struct monitor *monitor; /* of the latest link */
	unsigned int monitor_lost;
	struct link *link;
	unsigned int up;
	unsigned int down;
	bool was_up;
	char why[4096];
	unsigned int closed_at_down; /* how many streams were closed then */
	unsigned int closed;
};

/* Starts sshd with these lines added to its configuration. */
void sshenv_start(struct sshenv *env, const char *config);

/* Ends link, loop, sshd; fails if anything is left in the loop. */
void sshenv_end(struct sshenv *env);

/* cmocka's: sshenv_end(), and frees *state. */
int sshenv_tear_down(void **state);

/* Sets options; who wants others changes them then. */
void sshenv_options(struct sshenv *env);

/* Starts the monitor, in place of the last one: it knows options as they are in
 * that moment.  Those below do that themselves. */
void sshenv_monitor(struct sshenv *env);

/* Starts the link without waiting; with it until it is up. */
void sshenv_link(struct sshenv *env);
void sshenv_link_up(struct sshenv *env);

/*
 * Starts links instead, with which all of the above is about the first; with
 * little patience.  A further one ends when it was idle for idle_ms.  Waits
 * until the first is up.  And ends them all.
 */
#define SSHENV_PAUSE_MS 100
struct links *sshenv_links_up(struct sshenv *env, size_t max, uint64_t idle_ms);
void sshenv_links_end(struct sshenv *env, struct links *links);

/* Runs the loop until *flag is not zero; fails after a time. */
void sshenv_until(struct sshenv *env, const unsigned int *flag);
/* ... until *counter is value or more. */
void sshenv_until_size(struct sshenv *env, const size_t *counter, size_t value);
/* Runs the loop for so long, to see that something does not happen. */
void sshenv_for(struct sshenv *env, unsigned int ms);

/* Stops a link at moments of its start that are so far apart: each time it
 * comes down. */
void sshenv_stop_early(struct sshenv *env, unsigned int step_ms);

/* The process id of the link's ssh; of that of the latest link. */
pid_t sshenv_ssh(const struct sshenv *env);

/* ... of all links, the oldest first; returns how many. */
size_t sshenv_all_ssh(const struct sshenv *env, pid_t *pids, size_t max);

/* A TCP port that nobody has on 127.0.0.1. */
int sshenv_free_port(void);

/* Connects to an address; -1 when nobody listens there. */
int sshenv_connect(const char *host, uint16_t port);

/* ---- forwards ---- */

struct forward {
	struct link_forward *forward;
	unsigned int done;
	uint16_t port;
	int err;
	char why[1024];
	bool close_in_done;
};

/* As link_forward_open(), to that name in the directory of env. */
void forward_open(struct forward *forward, struct sshenv *env, const char *host,
    uint16_t port, const char *name);
void forward_close(struct forward *forward);

/* ---- a TCP peer ---- */

/* sshpeer.c */
uint8_t sshenv_pattern(size_t at);

enum peer_mode {
	PEER_ECHO,   /* sends back what comes, ends after its peer */
	PEER_SEND,   /* sends n bytes, then its end; counts what comes */
	PEER_RESET,  /* resets the connection at the first byte */
	PEER_SILENT, /* takes nothing */
};

struct peer {
	struct sshenv *env;
	enum peer_mode mode;
	size_t n;	/* PEER_SEND: bytes */
	bool keep_open; /* PEER_SEND: no end */
	uv_tcp_t server;
	uv_tcp_t socket;
	uint16_t port;
	size_t accepted; /* the first is served, all others only read */
	size_t extra_ended;
	unsigned int eof;
	unsigned int broken;
	unsigned int ended; /* eof or broken */
	bool paused;
	size_t sent;
	size_t received; /* and in its place */
};

void peer_start(struct peer *peer, struct sshenv *env, enum peer_mode mode,
    size_t n);
/* PEER_SEND: there is more to send now. */
void peer_resume(struct peer *peer);
void peer_end(struct peer *peer);

/* ---- our end ---- */

struct near {
	struct sshenv *env;
	struct stream *stream;
	unsigned int opened;
	unsigned int eof;
	unsigned int closed;
	unsigned int ended; /* eof or closed */
	unsigned int drained;
	int err;
	char why[512];
	size_t received; /* checked against the pattern */
	size_t sent;
	size_t to_send; /* goes on at drained() */
	bool shut_after;
	bool close_in_data;
};

/* Dials and begins to read; the second on a link that is given; the third what
 * a control connection dials. */
void near_dial(struct near *near, struct sshenv *env, const char *host,
    uint16_t port);
void near_dial_on(struct near *near, struct sshenv *env, struct link *link,
    uint16_t port);
void near_dial_control(struct near *near, struct sshenv *env, uint16_t port);

/* Sends the next n bytes of the pattern, as fast as they go. */
void near_send(struct near *near, size_t n, bool shut_after);

void near_close(struct near *near);

#endif
