/*
 * The prelude of a session: what a client says before its server is known.  It
 * has got a greeting of culvert's own.  The prelude ends with USER (RFC 959
 * section 4.1.1), whose name decides which server the client gets; its bytes
 * from USER on are for that server.  No I/O.
 */
#ifndef FTP_PRELUDE_H
#define FTP_PRELUDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ftp/line.h"

/* Longest name of a user, with its NUL: a longer one is refused. */
#define PRELUDE_USER_MAX 256

/* The greeting, with its line end. */
#define PRELUDE_GREETING "220 Please log in.\r\n"

enum prelude_result {
	PRELUDE_MORE,  /* more bytes are needed */
	PRELUDE_REPLY, /* a command was answered; call again */
	PRELUDE_END,   /* the same, and the connection must be closed: QUIT, or
			* too many commands */
	PRELUDE_USER,  /* USER has come; so it is in all later calls */
};

struct prelude {
	struct line_reader input;
	bool skips;		     /* within an over-long line */
	unsigned lines;		     /* that were answered */
	char user[PRELUDE_USER_MAX]; /* PRELUDE_USER: the name, without blanks
				      * at its end */
};

void prelude_init(struct prelude *prelude);
void prelude_free(struct prelude *prelude);

/* Adds all len bytes, or none.  Returns 0, -ENOBUFS (it would hold more than
 * LIMIT_CONTROL_INPUT) or -ENOMEM. */
int prelude_feed(struct prelude *prelude, const void *bytes, size_t len)
    __attribute__((warn_unused_result));

/*
 * Takes the next command.  *ret_reply, with PRELUDE_REPLY and PRELUDE_END, is
 * the reply to the client, a constant with its line end.
 *
 * A USER is taken only if every server reads the same name in it: one with a
 * control character is refused, and so is a line that some servers read as
 * another command (command_hidden()).  Commands that need no login and no
 * server (NOOP, QUIT) are answered as by a server, AUTH with 534, all others
 * with 530; so clients repeat FEAT after the login.
 */
enum prelude_result prelude_next(struct prelude *prelude,
    const char **ret_reply);

/* PRELUDE_USER: the bytes from that line on, valid until the next call of
 * anything. */
const uint8_t *prelude_rest(struct prelude *prelude, size_t *ret_len);

#endif
