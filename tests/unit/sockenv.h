/*
 * For the tests of net: a loop with a failsafe, a handler that takes notes,
 * and raw sockets as the other end.
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
	uv_timer_t tick; /* lets conditions of the kernel be looked at */
	uint64_t deadline;
};

/* cmocka's setup and teardown; *state becomes a struct sockenv.  Teardown
 * fails when the loop does not run dry. */
int sockenv_setup(void **state);
int sockenv_teardown(void **state);

/* One turn of the loop; the test fails when it has lasted too long. */
void sockenv_turn(struct sockenv *env);

#define SOCKENV_UNTIL(env, condition)      \
	do {                               \
		while (!(condition))       \
			sockenv_turn(env); \
	} while (0)

/* What one stream has told its handler. */
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

/* Raw, non-blocking sockets; they fail the test when they cannot be had. */
int raw_listen(struct addr *ret_at);
int raw_connect(const struct addr *to);
int raw_accept(struct sockenv *env, int listener);

/* A stream of net, dialled to a raw socket; both stand. */
void sockenv_pair(struct sockenv *env, struct notes *notes, int *ret_raw);

/* Reads what is there, at most len; 0 for now nothing, -1 for the end (then
 * *ret_errno is 0) or an error. */
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

/* How often the loop wakes up in 60 ms: a few ticks, unless it spins. */
unsigned int count_turns(struct sockenv *env);

#define SOCKENV_TEST(test) \
	cmocka_unit_test_setup_teardown(test, sockenv_setup, sockenv_teardown)

#endif
