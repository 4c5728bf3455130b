/*
 * A scripted ssh at the other end of a control socket, for what the real one
 * never does, or not when a test wants it; and a stream through its proxy mode
 * that keeps what it was told.
 */
#ifndef UNIT_FAKESSH_H
#define UNIT_FAKESSH_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/stream.h"
#include "ssh/proxy.h"
#include "ssh/window.h"

#define HELLO "\0\0\0\x08\0\0\0\1\0\0\0\4"
#define PROXY_YES "\0\0\0\x08\x80\0\0\x0f\0\0\0\0"
#define TEXT(text) text, sizeof(text) - 1

struct fake {
	uv_loop_t loop;
	char directory[64];
	char path[80]; /* of the control socket */
	int listener;
	int fd; /* ssh's end */
	struct window_budget budget;
	struct link_info info;
	struct proxy *proxy;
	unsigned int up;
	unsigned int lost;
	struct stream *stream;
	char told[64]; /* a letter for each callback */
	size_t received;
	int err;
	char why[200]; /* of err */
	bool stop_in_data;
};

/* Listens at path. */
void fake_listen(struct fake *fake);

/* Takes the connection that was made to it; no other one can be made. */
void fake_accept(struct fake *fake);

/* Nobody has come, and nobody is to. */
void fake_refuse(struct fake *fake);

/* Closes it, and fails if anything is left in the loop. */
void fake_end(struct fake *fake);

/* Turns the loop, without waiting. */
void turn(struct fake *fake);

/* ssh says that. */
void say(struct fake *fake, const char *bytes, size_t len);

/* What was sent to it next must be that, or nothing. */
void expect(struct fake *fake, const char *bytes, size_t len);
void expect_nothing(struct fake *fake);

/* ---- proxy mode ---- */

/* Connects a proxy, and no more than that. */
void fake_proxy(struct fake *fake);

/* Set-up and tear-down of a test whose state is a fake in proxy mode. */
int fake_set_up_proxy(void **state);
int fake_tear_down_proxy(void **state);

extern const struct stream_handler fake_stream_handler;

/* Channel 0 of ours, 7 of the peer; its window and packets as given, after so
 * much time. */
void dial_slowly(struct fake *fake, const char *window_and_packet,
    unsigned int ms);
void dial(struct fake *fake, const char *window_and_packet);

#endif
