/*
 * Lists of ciphers.
 */
#include "ssh/ciphers.h"

#include <errno.h>
#include <string.h>

#include "ssh/dump.h"

#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define CIPHERS_NAME_CHARS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@.-_+"

bool
ciphers_are_list(const char *list)
{
	/* With + or - in front it would change ssh's own list instead of
	 * replacing it. */
	if (strnlen(list, LIMIT_SSH_CIPHERS) == LIMIT_SSH_CIPHERS ||
	    *list == '+' || *list == '-')
		return false;
	for (;; list++) {
		size_t len = strspn(list, CIPHERS_NAME_CHARS);

		if (len == 0)
			return false;
		list += len;
		if (*list != ',')
			return *list == '\0';
	}
}

int
ciphers_find(const char *text, size_t len, char list[LIMIT_SSH_CIPHERS])
{
	char found[LIMIT_SSH_CIPHERS];
	int err = dump_find(text, len, "ciphers", found, sizeof(found));

	if (err != 0)
		return err;
	if (!ciphers_are_list(found))
		return -EINVAL;
	memcpy(list, found, strlen(found) + 1);
	return 0;
}

/* "aes128-gcm@openssh.com", or a similar name. */
static bool
ciphers_is_aes_gcm(const char *name, size_t len)
{
	return len > 3 && memcmp(name, "aes", 3) == 0 &&
	    memmem(name, len, "-gcm", 4) != NULL;
}

bool
ciphers_reorder(const char *list, char ret[LIMIT_SSH_CIPHERS])
{
	char order[LIMIT_SSH_CIPHERS];
	size_t n = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (const char *name = list;;) {
			size_t len = strcspn(name, ",");

			if (ciphers_is_aes_gcm(name, len) == (pass == 0)) {
				memcpy(order + n, name, len);
				n += len;
				order[n++] = ',';
			}
			if (name[len] == '\0')
				break;
			name += len + 1;
		}
	}
	/* Each name is followed by a comma, so order is as long as list with
	 * its NUL. */
	order[n - 1] = '\0';
	if (strcmp(order, list) == 0)
		return false;
	memcpy(ret, order, n);
	return true;
}

bool
ciphers_cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes") &&
	    __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	const unsigned long need = HWCAP_AES | HWCAP_PMULL;

	return (getauxval(AT_HWCAP) & need) == need;
#else
	return false;
#endif
}
