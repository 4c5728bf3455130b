/*
 * The password for an ssh of CMDLINE_LOGIN (cmdline.h).
 *
 * ssh runs the program of SSH_ASKPASS for each of its questions.  That is
 * culvert itself, as a helper: it passes the question on by a Unix socket in
 * the directory of the link, and prints the answer to a pipe, which ssh reads.
 * So the password is in no argument, environment or file.
 *
 * A helper that fails would not end ssh: ssh would send an empty password.  So
 * a question that must not be answered stays without an answer, and the owner
 * ends ssh.
 */
#ifndef SSH_ASKPASS_H
#define SSH_ASKPASS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* ---- in the main process ---- */

struct askpass;

/* A question; from the loop.  own: the ssh of the link asks; else an ssh that
 * it has started, say for a ProxyJump.  The prompt is valid in the call; its
 * bytes may come from the server. */
typedef void askpass_asked_cb(void *ctx, const char *prompt, bool own);

/* Listens in that directory, which exists.  Returns 0, or a negative errno:
 * then *ret is untouched. */
int askpass_new(uv_loop_t *loop, const char *directory, askpass_asked_cb *asked,
    void *ctx, struct askpass **ret);

/* Answers the question that was asked last, once.  0 or a negative errno. */
int askpass_answer(struct askpass *askpass, const char *password, size_t len);

/* No callback follows, and the socket is removed; the loop frees it.  A
 * question without an answer fails: call it when ssh has ended.  NULL is
 * allowed. */
void askpass_free(struct askpass *askpass);

/* ---- the helper ---- */

/* The environment of ssh: the directory, and the pid of the ssh whose questions
 * may be answered. */
#define ASKPASS_DIRECTORY "CULVERT_ASKPASS"
#define ASKPASS_PARENT "CULVERT_ASKPASS_PARENT"

/* Has ssh started this program for a question? */
bool askpass_is_helper(int argc, char **argv);

/* Passes on the question, and prints the answer.  Returns the exit status. */
int askpass_help(const char *prompt);

#endif
