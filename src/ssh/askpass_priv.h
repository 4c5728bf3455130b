/*
 * What both ends of the socket of askpass.h know.  The helper sends one byte,
 * then the prompt, and ends its direction; the answer is the password, without
 * anything around it, or none.
 */
#ifndef SSH_ASKPASS_PRIV_H
#define SSH_ASKPASS_PRIV_H

#include <sys/un.h>

/* Behind the directory. */
#define ASKPASS_NAME "/ask"

/* The first byte: the ssh of the link asks, or another one. */
#define ASKPASS_OWN '1'
#define ASKPASS_NESTED '0'

/* The address of the socket.  Returns 0 or -ENAMETOOLONG. */
int askpass_address(const char *directory, struct sockaddr_un *ret);

#endif
