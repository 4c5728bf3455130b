/*
 * Lists of ciphers.
 */
#include "ssh/ciphers.h"

#include <errno.h>
#include <string.h>

#ifdef __aarch64__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define CIPHERS_NAME_CHARS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@.-_+"

/* Names with one comma between them. */
static bool
ciphers_is_list(const char *list)
{
	for (;;) {
		size_t len = strspn(list, CIPHERS_NAME_CHARS);

		if (len == 0)
			return false;
		list += len;
		if (*list == '\0')
			return true;
		if (*list++ != ',')
			return false;
	}
}

int
ciphers_find(const char *text, size_t len, char list[LIMIT_SSH_CIPHERS])
{
	static const char name[] = "ciphers ";
	const size_t name_len = sizeof(name) - 1;
	char found[LIMIT_SSH_CIPHERS];

	for (;;) {
		const char *end = memchr(text, '\n', len);
		size_t line_len;

		if (end == NULL)
			return -ENOENT;
		line_len = (size_t)(end - text);
		if (line_len >= name_len && memcmp(text, name, name_len) == 0) {
			size_t found_len = line_len - name_len;

			if (found_len >= sizeof(found))
				return -EINVAL;
			memcpy(found, text + name_len, found_len);
			found[found_len] = '\0';
			/* A NUL in it makes it shorter than it was. */
			if (strlen(found) != found_len ||
			    !ciphers_is_list(found))
				return -EINVAL;
			memcpy(list, found, found_len + 1);
			return 0;
		}
		len -= line_len + 1;
		text = end + 1;
	}
}

/* "aes128-gcm@openssh.com", or how else they may be called one day. */
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
	/* Each name with a comma behind it: as long as list and its NUL. */
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
