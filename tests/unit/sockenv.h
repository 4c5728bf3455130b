/*
 * For the tests of net: a loop with a time limit, a handler that records its
 * callbacks, and plain sockets as peers.
 */
#ifndef TESTS_SOCKENV_H
#define TESTS_SOCKENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/addr.h"
#include "base/stream.h"
#include "net/sock.h"

struct sockenv {
	uv_loop_t loop;
	struct net *net;
	uv_timer_t
	    tick; /* wakes the loop, so that conditions are tested again */
	uint64_t deadline;
};

/* cmocka's setup and teardown; *state becomes a struct sockenv.  Teardown
 * fails if handles are left in the loop. */
int sockenv_setup(void **state);
int sockenv_teardown(void **state);

/* One iteration of the loop; fails when the test has lasted too long. */
void sockenv_turn(struct sockenv *env);

#define SOCKENV_UNTIL(env, condition)      \
	do {                               \
		while (!(condition))       \
			sockenv_turn(env); \
	} while (0)

/* The callbacks of one stream. */
struct notes {
	struct stream *stream;
	struct sockenv *env;
	unsigned int opened;
	unsigned int eofs;
	unsigned int drained;
	unsigned int closed;
	size_t queued_when_drained;
	int err;
	char why[128];
	uint8_t *bytes; /* received */
	size_t len;
	bool close_in_data;
	bool in_call; /* the test is inside a stream_...() call */
};

extern const struct stream_handler notes_handler;
void notes_free(struct notes *notes);

/* net_accept_cb: ctx is a struct notes, which gets the stream. */
void notes_accept(void *ctx, struct stream *stream);

/* Plain non-blocking sockets; the test fails if they cannot be made. */
int raw_listen(struct addr *ret_at);
int raw_connect(const struct addr *to);
int raw_accept(struct sockenv *env, int listener);

/* A stream of net that is connected to a plain socket. */
void sockenv_pair(struct sockenv *env, struct notes *notes, int *ret_raw);

/* Reads at most len bytes; returns 0 if there are none now, -1 at the end (then
 * *ret_errno is 0) or after an error. */
ssize_t raw_read(int fd, void *bytes, size_t len, int *ret_errno);

/* Byte n of a stream that is checked. */
uint8_t pattern(size_t n);

/* stream_write() during which no callback may come. */
int write_noted(struct notes *notes, const void *bytes, size_t len);

/* The same with len bytes of the pattern that begin with byte number from. */
int write_pattern(struct notes *notes, size_t from, size_t len);

/* Reads and checks the pattern until the end, step bytes a turn; returns how
 * much it was. */
size_t read_pattern(struct sockenv *env, int raw, size_t step, int *ret_errno);

/* Writes it all; closes with RST. */
void raw_write(int raw, const void *bytes, size_t len);
void raw_reset(int raw);

/* How often the loop wakes up in 60 ms: only a few times unless it spins. */
unsigned int count_turns(struct sockenv *env);

#define SOCKENV_TEST(test) \
	cmocka_unit_test_setup_teardown(test, sockenv_setup, sockenv_teardown)

#endif
