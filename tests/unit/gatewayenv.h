/*
 * For the tests of the gateway's core: an owner whose channels are processes of
 * OpenSSH's sftp-server in a temporary directory, and whose FTP client is the
 * test.
 *
 * A number in the comment of a test is that of the point in section 2 of
 * SFTP.md, the facts that the gateway was designed from.
 */
#ifndef TESTS_GATEWAYENV_H
#define TESTS_GATEWAYENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "gateway/gateway.h"

struct gatewayenv_channel {
	enum {
		ENV_CHANNEL_NONE,
		ENV_CHANNEL_WANTED,
		ENV_CHANNEL_UP,
	} state;
	int fd;
	pid_t pid;
	struct buf out;
	size_t sent;	/* also what is still in out */
	size_t kept;	/* bytes at the end of out that are not sent */
	bool stopped;	/* the core does not read it */
	bool above_low; /* drained must be called */
};

struct gatewayenv {
	char directory[32]; /* where sessions begin */
	struct gateway_config config;
	const char *denied;   /* extensions and requests, for -P; or NULL */
	uint64_t file_limit;  /* the largest file of the server; 0: none */
	size_t window;	      /* of a channel */
	bool refuse_channels; /* but the session's ... */
	bool refuse_first;    /* ... or that */
	struct gateway *gateway;
	struct gatewayenv_channel channels[GATEWAY_CHANNELS];
	unsigned n_opened; /* channels */
	unsigned n_paused, n_resumed;
	struct buf replies;
	unsigned ended;
	char failed[256]; /* why; "": it has not */
	bool was_up;	  /* the server, before that */
	enum {
		ENV_DATA_NONE,
		ENV_DATA_LISTENING,
		ENV_DATA_OPEN,
		ENV_DATA_ENDED,
		ENV_DATA_RESET,
	} data;
	bool data_reading;
	const uint8_t *to_send; /* on the data connection */
	size_t to_send_len;
	bool eof_after, eof_sent; /* the client ends it after that */
	size_t room;		  /* data_queued() is 0 below it */
	struct buf received;	  /* on the data connection */
	bool hold_data;		  /* see gatewayenv_pass_held() */
	unsigned n_data;	  /* packets with data, then */
	struct buf packets, held;
	char left_over[128]; /* the last one */
	unsigned n_left_over;
	bool stays;	   /* the server has refused to remove a file */
	char claimed[128]; /* by another session */
	unsigned n_claims; /* minus n_releases */
	char login[64];	   /* "USER PASSWORD" of the latest one */
	bool no_login;	   /* it cannot be checked */
	uint8_t random;
	int64_t now, turn_ms; /* milliseconds; how many a turn takes */
};

/* cmocka's setup and teardown; *state becomes a struct gatewayenv, whose fields
 * a test may change before gatewayenv_start(). */
int gatewayenv_setup(void **state);
int gatewayenv_teardown(void **state);

/* Begins a session, and logs in. */
void gatewayenv_start(struct gatewayenv *env);
/* The same without USER; returns when there is a greeting, or a failure. */
void gatewayenv_connect(struct gatewayenv *env);
/* Returns at once. */
void gatewayenv_begin(struct gatewayenv *env);

/* Passes on what there is; waits for the servers if there is nothing. */
void gatewayenv_turn(struct gatewayenv *env);

#define GATEWAYENV_UNTIL(env, condition)      \
	do {                                  \
		while (!(condition))          \
			gatewayenv_turn(env); \
	} while (0)

/* Sends a command line. */
void gatewayenv_say(struct gatewayenv *env, const char *line);

/* The length of the next reply, if all of it has come; else 0. */
size_t gatewayenv_reply_len(const struct gatewayenv *env);

/* The next reply, whole, with its line ends; valid until the next call. */
const char *gatewayenv_reply(struct gatewayenv *env);

/* The next reply must begin like that; or the final reply to a command. */
void gatewayenv_expect(struct gatewayenv *env, const char *reply);
void gatewayenv_command(struct gatewayenv *env, const char *line,
    const char *reply);

/* Makes a data connection. */
void gatewayenv_data(struct gatewayenv *env);

/* A whole transfer, whose command ends with that reply; what a download
 * received is in env->received. */
void gatewayenv_upload(struct gatewayenv *env, const char *line,
    const void *bytes, size_t len, const char *reply);
void gatewayenv_download(struct gatewayenv *env, const char *line,
    const char *reply);

/* Sends a part of a file; returns when the server has written it. */
void gatewayenv_send_part(struct gatewayenv *env, const char *line,
    const void *bytes, size_t len);

/* All data were sent, and every request on any channel has its reply. */
bool gatewayenv_is_idle(const struct gatewayenv *env);

/* What a download or a listing received. */
void gatewayenv_received(struct gatewayenv *env, const void *bytes, size_t len);
const char *gatewayenv_listing(struct gatewayenv *env);

/* The path of a name in the directory; valid until the next call but one. */
const char *gatewayenv_path(struct gatewayenv *env, const char *name);
void gatewayenv_put(struct gatewayenv *env, const char *name, const void *bytes,
    size_t len);
/* The file must have that content; bytes NULL: there must be none. */
void gatewayenv_check(struct gatewayenv *env, const char *name,
    const void *bytes, size_t len);
/* Its type and mode, not those behind a symbolic link. */
mode_t gatewayenv_mode(struct gatewayenv *env, const char *name);
/* How many names the directory has. */
unsigned gatewayenv_count(struct gatewayenv *env);
/* An upload to "f", which was "old", has left nothing else behind. */
void gatewayenv_check_undone(struct gatewayenv *env);

/* With hold_data, the first packet with data of the session's channel is held
 * back until this call. */
void gatewayenv_pass_held(struct gatewayenv *env);

/* Kills the server of a channel, and passes on that it is lost. */
void gatewayenv_kill(struct gatewayenv *env, unsigned channel);

/* len bytes that differ everywhere; freed by the caller. */
uint8_t *gatewayenv_bytes(size_t len);

#define GATEWAY_TEST(test)                                      \
	cmocka_unit_test_setup_teardown(test, gatewayenv_setup, \
	    gatewayenv_teardown)

#endif
