/*
 * For test_far.c and test_far_links.c: a far side over a real link, the owner
 * of a listener, which records what it is told, and clients of the listener.
 */
#ifndef UNIT_FARENV_H
#define UNIT_FARENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "sshenv.h"
#include "ssh/links.h"
#include "tunnel/side.h"

#define TAKEN_MAX 64

struct farenv {
	struct sshenv ssh; /* without a link of its own */
	struct links *links;
	struct net *net;
	struct side *side;
};

/* A stream that a listener accepted. */
struct taken {
	struct stream *stream;
	size_t len; /* bytes that came */
	unsigned int ended;
};

/* What a listener has told its handler. */
struct heard {
	struct farenv *env;
	struct side_listener *listener;
	struct taken taken[TAKEN_MAX];
	size_t n_taken;
	unsigned int refuse;  /* so many before one is taken */
	unsigned int told;    /* listening or failed */
	unsigned int seconds; /* behind the one that was taken */
	unsigned int failed;
	struct addr v4;
	struct addr v6;
	int err;
	char why[512];
	bool in_call;
};

/* With these lines in the configuration of sshd; *state becomes a struct
 * farenv.  For cmocka's setup and teardown.  Of several links the first only
 * is up. */
int farenv_start(void **state, const char *config);
int farenv_start_links(void **state, const char *config, size_t max);
int farenv_end(void **state);

/* Counts into a struct taken, its ctx. */
extern const struct stream_handler taken_handler;

/* Asks for a listener. */
void heard_begin(struct heard *heard, struct farenv *env, const char *host,
    uint16_t port, bool many);

/* Makes one that listens, or one that fails, with that in its text. */
void heard_listen(struct heard *heard, struct farenv *env, const char *host,
    uint16_t port, bool many);
void heard_fails(struct farenv *env, const char *host, uint16_t port, int err,
    const char *why);

/* Gives it back, and what it took up. */
void heard_stop(struct heard *heard, bool reusable);

/* The addresses it was told; NULL: none. */
void heard_check(const struct heard *heard, const char *v4, const char *v6);

/* Somebody connects, and is taken, or is shown out. */
void heard_takes(struct heard *heard, const char *host, uint16_t port);
void heard_shows_out(struct heard *heard, const char *host, uint16_t port);

#endif
