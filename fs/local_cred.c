/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_cred.c - making objects as somebody else, so that they are born with their owner.
 *
 * Only the calls that make an object run like this; everything else, and all checks, are
 * left to the guest's kernel and done as the server itself. So the file system user and
 * group are switched, but the right to pass permission checks is kept. CAP_FSETID is not:
 * without it and without the server's own groups the host drops S_ISGID for a group that
 * the owner is not in. All of this is the thread's own, which is why setgroups is called
 * raw: the C library's would change every thread. Changing the user makes the process
 * non-dumpable.
 */
#include <sys/fsuid.h>
#include <sys/syscall.h>

#include "fs/local.h"

#define LOCAL_CAP(cap) (UINT64_C(1) << (cap))

static int local_caps_get(struct __user_cap_data_struct *caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return (int)LOCAL_SYS(syscall(SYS_capget, &header, caps));
}

static int local_caps_set(const struct __user_cap_data_struct *caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return (int)LOCAL_SYS(syscall(SYS_capset, &header, caps));
}

const char *local_cred_missing(void)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{CAP_CHOWN, "CAP_CHOWN"},   {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
		{CAP_FOWNER, "CAP_FOWNER"}, {CAP_FSETID, "CAP_FSETID"},
		{CAP_MKNOD, "CAP_MKNOD"},   {CAP_SETGID, "CAP_SETGID"},
		{CAP_SETUID, "CAP_SETUID"},
	};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	if (local_caps_get(caps))
		return "capabilities";
	for (size_t i = 0; i < countof(needed); i++) {
		if (!(caps[0].effective & LOCAL_CAP(needed[i].cap)))
			return needed[i].name;
	}
	return NULL;
}

/* The thread's supplementary groups, instead of the server's. */
static bool local_set_groups(const gid_t *groups, size_t count)
{
	static _Thread_local bool none;

	if (count == 0 && none)
		return true;
	none = false;
	if (syscall(SYS_setgroups, count, groups) != 0)
		return false;
	none = count == 0;
	return true;
}

/* setfsuid(2) tells no errors; asked for -1 it changes nothing and tells what is. */
static bool local_become(uid_t uid, gid_t gid)
{
	setfsgid(gid);
	setfsuid(uid);
	return (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid;
}

/* Away from user 0 the kernel takes all capabilities over files; these are had again. */
static bool local_keep_caps(const struct local_cred *saved)
{
	const uint64_t lose = LOCAL_CAP(CAP_CHOWN) | LOCAL_CAP(CAP_FOWNER) | LOCAL_CAP(CAP_FSETID);
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {saved->caps[0],
									saved->caps[1]};

	caps[0].effective &= (uint32_t)~lose;
	return local_caps_set(caps) == 0;
}

/* ---- set-id bits ----
 *
 * A write by anybody but root takes them away, and the kernel sees the server write: as root, for
 * whom they stay. So a thread writes without CAP_FSETID for a user who is not root. It goes on so
 * until it is needed again: users who write are not many at a time. (When a file is truncated, a
 * client's kernel asks for it itself.) */

static _Thread_local uint32_t local_user = (uint32_t)-1; /* whom this thread works for */

/* What its next write does to set-id bits. Whoever started the thread has left it his rights. */
static _Thread_local enum { SETID_UNKNOWN, SETID_KEPT, SETID_DROPPED } local_setid;

int local_act_as(struct fs *fs, struct fs_cred cred)
{
	(void)fs;
	local_user = cred.uid;
	return 0;
}

static void local_set_fsetid(bool have)
{
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	uint32_t cap = (uint32_t)LOCAL_CAP(CAP_FSETID), had;

	if (local_caps_get(caps))
		return;
	had = caps[0].effective;
	caps[0].effective &= ~cap;
	if (have)
		caps[0].effective |= cap & caps[0].permitted;
	if (caps[0].effective == had || local_caps_set(caps) == 0)
		local_setid = have ? SETID_KEPT : SETID_DROPPED;
}

void local_writes(const struct local *local)
{
	bool root = local_user == 0 || local_user == (uint32_t)-1;

	if (local->switch_creds && local_setid != (root ? SETID_KEPT : SETID_DROPPED))
		local_set_fsetid(root);
}

void local_keeps_setid(void)
{
	if (local_setid != SETID_KEPT)
		local_set_fsetid(true);
}

int local_cred_enter(const struct local *local, struct fs_cred cred, struct local_cred *saved)
{
	uid_t uid;
	gid_t gid;

	*saved = (struct local_cred){.entered = false};
	local_keeps_setid();
	if (!local->switch_creds)
		return 0;
	saved->uid = (uid_t)setfsuid((uid_t)-1);
	saved->gid = (gid_t)setfsgid((gid_t)-1);
	uid = cred.uid == (uint32_t)-1 ? saved->uid : cred.uid;
	gid = cred.gid == (uint32_t)-1 ? saved->gid : cred.gid;
	if (uid == saved->uid && gid == saved->gid)
		return 0;
	if (local_caps_get(saved->caps))
		return -EPERM;
	saved->entered = true;
	if (local_set_groups(NULL, 0) && local_become(uid, gid) &&
	    (uid == saved->uid || local_keep_caps(saved)))
		return 0;
	local_cred_leave(saved);
	return local->passthrough ? -EPERM : 0;
}

void local_cred_leave(struct local_cred *saved)
{
	if (!saved->entered)
		return;
	local_become(saved->uid, saved->gid);
	local_caps_set(saved->caps);
	saved->entered = false;
}

int local_cred_as(const struct local_user *user, struct local_cred *saved)
{
	*saved = (struct local_cred){.entered = false};
	saved->uid = (uid_t)setfsuid((uid_t)-1);
	saved->gid = (gid_t)setfsgid((gid_t)-1);
	if (local_caps_get(saved->caps))
		return -EPERM;
	saved->entered = true;
	if (local_set_groups(user->groups, user->group_count) && local_become(user->uid, user->gid))
		return 0;
	local_cred_leave(saved);
	return -EPERM;
}
