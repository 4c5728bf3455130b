/*
 * Lists of ciphers: names with commas between them.  No I/O.
 *
 * OpenSSH prefers ChaCha20-Poly1305, which is fast on every CPU.  If the CPU
 * has AES instructions, AES-GCM is about twice as fast.
 */
#ifndef SSH_CIPHERS_H
#define SSH_CIPHERS_H

#include <stdbool.h>
#include <stddef.h>

#include "limits.h"

/* Is it a list, and shorter than LIMIT_SSH_CIPHERS bytes? */
bool ciphers_are_list(const char *list);

/*
 * Finds the list in len bytes that ssh -G has printed.  0 and the list; -ENOENT
 * if there is no such line; -EINVAL if its value is no list.  list is untouched
 * after an error.
 */
int ciphers_find(const char *text, size_t len, char list[LIMIT_SSH_CIPHERS]);

/*
 * Copies a list to ret with the AES-GCM ciphers first; otherwise the order
 * stays.  False if the list has that order already; ret is untouched then.
 */
bool ciphers_reorder(const char *list, char ret[LIMIT_SSH_CIPHERS]);

/* Does this CPU have instructions for AES and for GCM's multiplication? */
bool ciphers_cpu_has_aes(void);

#endif
