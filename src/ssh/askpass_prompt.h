/*
 * The questions that ssh puts to the program of SSH_ASKPASS.  Pure.
 *
 * ssh asks for a password ("user@host's password: ") itself, and passes on what
 * a server asks ("(user@host) Password: ", keyboard-interactive).  Through the
 * same program it asks whether a host key is right, for a new password, and for
 * the passphrase of a key.  The server chooses the words, so this is no more
 * than a guess at what it wants; but a password is only ever given to the
 * server that the user has named, whose host key is known.
 */
#ifndef SSH_ASKPASS_PROMPT_H
#define SSH_ASKPASS_PROMPT_H

enum askpass_prompt {
	ASKPASS_PASSWORD,
	ASKPASS_NEW_PASSWORD, /* the password has expired */
	ASKPASS_OTHER,	      /* a code, a passphrase, a host key ... */
};

/* What the prompt asks of that user. */
enum askpass_prompt askpass_prompt_judge(const char *prompt, const char *user);

#endif
