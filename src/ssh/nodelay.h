/*
 * No Nagle's algorithm on the SSH connection.
 *
 * With it, a small packet that follows another waits for the peer's
 * acknowledgement, which takes 40 ms or more, and FTP consists of small
 * packets. ssh -N sets TCP_NODELAY when it has connected; before OpenSSH 10.1,
 * sshd sets it only when it starts the program of a session (Debian 13's
 * sshd 10.0 before the login, since 10.0p1-7+deb13u3).  So each link opens a
 * session: the subsystem sftp, whose input ends after INIT, on a proxy
 * connection of its own. Nothing waits for it; if sshd refuses it, the link is
 * only slower.
 *
 * MUX_C_NEW_SESSION would not do: as long as such a session exists, ssh
 * confuses the end of a proxied channel with it (channel_by_remote_id() finds
 * the session's control channel, whose remote_id is a number of ours), and ssh
 * prints refusals on its standard error.
 */
#ifndef SSH_NODELAY_H
#define SSH_NODELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct nodelay;

/* Called from the loop only; each may be NULL.  why is valid in the call. */
struct nodelay_handler {
	/* Once, unless nodelay_free() comes first.  why: NULL if sshd has
	 * started the program, and so has set TCP_NODELAY; else why not. */
	void (*done)(void *ctx, const char *why);

	/* len bytes of the program's standard output or error, or of what sshd
	 * prints instead. */
	void (*heard)(void *ctx, const uint8_t *bytes, size_t len);

	/* Once, after done(): the session has ended, or was never opened. */
	void (*over)(void *ctx, const char *why);

	/* After ms milliseconds sshd has closed the session that shall stay
	 * open, though its program runs (ChannelTimeout); it is opened again.
	 */
	void (*timed_out)(void *ctx, uint64_t ms);
};

/*
 * Connects to the control socket at path.  command (borrowed) runs instead of
 * the subsystem sftp, whose standard error sshd does not pass on; or NULL.
 * sends_eof, borrowed: see link_info.  0 or a negative errno.
 */
int nodelay_new(uv_loop_t *loop, const char *path, const char *command,
    bool *sends_eof, const struct nodelay_handler *handler, void *ctx,
    struct nodelay **ret);

/* Before sshd has answered: the session stays open until its program ends. */
void nodelay_keep(struct nodelay *nodelay);

/* Only when ssh has ended: see proxy.h.  NULL is allowed. */
void nodelay_free(struct nodelay *nodelay);

#endif
