/*
 * For the tests of ssh/reconnect: it starts the real ssh, which connects to a
 * real sshd or to a port where each connection is counted and ended at once.
 */
#ifndef UNIT_RECONNECTENV_H
#define UNIT_RECONNECTENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <uv.h>

#include "ssh/reconnect.h"
#include "sshenv.h"

#define PAUSE_MS 50

struct rec_env {
	char *port_argument; /* of ssh */
	struct sshenv env;
	struct reconnect *reconnect;
	unsigned int up, down, ended;
	bool again, was_up;
	bool has_why; /* of ended */
	char why[4096];
	uv_tcp_t bad; /* no sshd */
	int bad_port; /* or 0 */
	size_t attempts;
	FILE *log;
	int stderr_fd;
};

/* cmocka's: *state is a struct rec_env. */
int rec_set_up(void **state);
/* ... with these lines in sshd's configuration. */
int rec_set_up_with(void **state, const char *config);
int rec_tear_down(void **state);

/* Makes s->reconnect, whose pauses begin with PAUSE_MS. */
void rec_make(struct rec_env *s, const struct reconnect_options *given);

/* Makes and starts it; rec_start_up() also waits until the link is up, and
 * rec_start_held() holds it before that. */
void rec_start(struct rec_env *s, const struct reconnect_options *options);
void rec_start_up(struct rec_env *s, const struct reconnect_options *options);
void rec_start_held(struct rec_env *s, const struct reconnect_options *options);

/* Waits until a counter of s has that value. */
void rec_until(struct rec_env *s, const unsigned int *counter,
    unsigned int value);

/* Sets the port to which ssh connects from now on. */
void rec_go_to(struct rec_env *s, int port);

/* Lets ssh connect to where each attempt ends at once.  Returns their number,
 * which grows. */
const size_t *rec_go_astray(struct rec_env *s);

/* Kills ssh. */
void rec_lose(struct rec_env *s);

/* Kills the sshd of the connection. */
void rec_lose_sshd(struct rec_env *s);

size_t rec_count_ssh(const struct rec_env *s);

/* Returns how often these words are in the log. */
size_t rec_logged(struct rec_env *s, const char *words);

#endif
