/*
 * Lists of ciphers as ssh -G prints them: text in, lists out, no I/O.
 *
 * OpenSSH has ChaCha20-Poly1305 first, which does well on every CPU; on one
 * with AES instructions AES-GCM is about twice as fast.
 */
#ifndef SSH_CIPHERS_H
#define SSH_CIPHERS_H

#include <stdbool.h>
#include <stddef.h>

#include "limits.h"

/*
 * Finds the list in len bytes of what ssh -G has printed.  0 and the list;
 * -ENOENT when there is no such line; -EINVAL when what is there is no list,
 * or too long for one.  list is untouched on failure.
 */
int ciphers_find(const char *text, size_t len, char list[LIMIT_SSH_CIPHERS]);

/*
 * Copies list, which ciphers_find() gave, with the AES-GCM ciphers first, and
 * both these and the others in the order that they had.  False, and ret
 * untouched, when the list is in that order already.
 */
bool ciphers_reorder(const char *list, char ret[LIMIT_SSH_CIPHERS]);

/* Has this CPU instructions for AES and for GCM's multiplication? */
bool ciphers_cpu_has_aes(void);

#endif
