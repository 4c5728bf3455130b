/*
 * No Nagle's algorithm on the SSH connection.
 *
 * With it each small packet that follows another waits until the peer has
 * acknowledged that, which takes 40 ms on a good day, and FTP is all small
 * packets.  ssh -N sets TCP_NODELAY by itself as soon as it is connected; sshd,
 * before OpenSSH 10.1, only when it starts the program of a session (Debian
 * 13's sshd 10.0 does so before the login, since 10.0p1-7+deb13u3).  So each
 * link has one: the subsystem sftp, whose input ends at once, in a proxy
 * connection to the control socket of its own.  Nobody waits for it, and the
 * link is as good, only slower, when sshd refuses it.
 *
 * A passenger (MUX_C_NEW_SESSION) would do for sshd as well, but until it has
 * ended ssh confuses the end of a proxied channel with it (the passenger's
 * control channel keeps a number of ours as remote_id, which
 * channel_by_remote_id() finds), and what is refused shows on ssh's standard
 * error.
 */
#ifndef SSH_NODELAY_H
#define SSH_NODELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct nodelay;

/* Called from the loop only; each may be NULL. */
struct nodelay_handler {
	/*
	 * Called once, unless nodelay_free() comes first.  why: NULL when sshd
	 * has started the program, and so has set it; else why it has not,
	 * valid in the call.
	 */
	void (*done)(void *ctx, const char *why);

	/* len bytes of the program's output or standard error, or of what sshd
	 * says in its place. */
	void (*heard)(void *ctx, const uint8_t *bytes, size_t len);

	/* Nothing more will be heard.  Once, after done(); why, valid in the
	 * call: the session has ended, or has never begun. */
	void (*over)(void *ctx, const char *why);

	/* sshd has closed the session that is to stay open, after so many
	 * milliseconds, though its program had not ended (ChannelTimeout); it
	 * is opened again. */
	void (*timed_out)(void *ctx, uint64_t ms);
};

/*
 * Connects to the control socket at path.  command: to run that instead, for
 * what is said then (reason.h); NULL: the subsystem sftp, whose standard error
 * sshd does not pass on.  sends_eof, borrowed, is set when the SSH server has
 * sent EOF, as OpenSSH does at the end of a session.  0 or a negative errno.
 */
int nodelay_new(uv_loop_t *loop, const char *path, const char *command,
    bool *sends_eof, const struct nodelay_handler *handler, void *ctx,
    struct nodelay **ret);

/* Leaves the session open until its program ends; before sshd has answered. */
void nodelay_keep(struct nodelay *nodelay);

/*
 * Only when ssh has ended: it ends itself when a proxy connection goes away
 * whose channel was refused or is not confirmed yet.  NULL is allowed.
 */
void nodelay_free(struct nodelay *nodelay);

#endif
