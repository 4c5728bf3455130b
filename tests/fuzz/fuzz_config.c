/*
 * Configuration files: whatever stands in one, it is taken or refused with a
 * place and a reason; and what was taken is the same as bytes and back.  The
 * first byte of the input chooses what the rest is.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/config.h"
#include "fuzz.h"

static void
check_bytes(const struct config *config)
{
	char why[SETTINGS_WHY_MAX];
	struct settings settings;
	struct config again;
	size_t len;
	char *bytes = settings_write(&config->settings, &len);

	assert(bytes != NULL);
	assert(settings_parse(bytes, len, &settings) == 0);
	assert(config_make(&settings, &again, why) == 0);
	assert(again.n_tunnels == config->n_tunnels);
	for (size_t i = 0; i < again.n_tunnels; i++)
		for (int scope = OPTION_TUNNEL; scope <= OPTION_PROCESS;
		     scope++)
			assert(config_same(&again.tunnels[i],
			    &config->tunnels[i], (enum option_scope)scope));
	config_free(&again);
	free(bytes);
}

static void
read_file(const uint8_t *bytes, size_t len)
{
	char path[64], why[SETTINGS_WHY_MAX] = "";
	struct config config;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	assert(fd >= 0 && fchmod(fd, 0600) == 0);
	assert(write(fd, bytes, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_read(path, &config, why) == 0)
		check_bytes(&config);
	else
		assert(strncmp(why, path, strlen(path)) == 0);
	config_free(&config);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct settings settings;
	struct config config;
	char why[SETTINGS_WHY_MAX];

	/* Nothing of this machine is to be read. */
	if (len < 1 || memmem(bytes, len, "include", 7) != NULL)
		return 0;
	if (bytes[0] % 2 == 0) {
		read_file(bytes + 1, len - 1);
		return 0;
	}
	if (settings_parse((const char *)bytes + 1, len - 1, &settings) != 0) {
		settings_free(&settings);
		return 0;
	}
	if (config_make(&settings, &config, why) == 0)
		check_bytes(&config);
	config_free(&config);
	return 0;
}
