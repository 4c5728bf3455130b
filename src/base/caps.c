/*
 * Capabilities.
 */
#include "base/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int
caps_keep(uint64_t keep)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) != 0)
		return -errno;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data) != 0)
		return -errno;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 ?
	    0 :
	    -errno;
}

int
caps_drop_bounding(void)
{
	for (unsigned long one = 0;; one++) {
		int has = prctl(PR_CAPBSET_READ, one, 0, 0, 0);

		if (has < 0) /* the kernel has no more */
			return 0;
		if (has > 0 && prctl(PR_CAPBSET_DROP, one, 0, 0, 0) != 0)
			return -errno;
	}
}
