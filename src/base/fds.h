/*
 * Messages with a file descriptor between two processes (SCM_RIGHTS, unix(7)),
 * on a SOCK_SEQPACKET or SOCK_DGRAM socket.
 */
#ifndef BASE_FDS_H
#define BASE_FDS_H

#include <stddef.h>
#include <sys/types.h>

/* Sends len bytes, and a copy of fd unless fd is -1.  Returns 0 or a negative
 * errno. */
int fds_send(int socket, const void *bytes, size_t len, int fd);

/*
 * Receives one message of at most len bytes.  *ret_fd becomes the close-on-exec
 * descriptor that came with it, which the caller must close, or -1.  Returns
 * the length, 0 at the end of file, or a negative errno: -EMSGSIZE if the
 * message is longer or has more than one descriptor.
 */
ssize_t fds_receive(int socket, void *bytes, size_t len, int *ret_fd);

#endif
