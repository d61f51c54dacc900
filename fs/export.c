/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * export.c - see export.h: options by name, what fits together, and the stack.
 *
 * From below: the host directory; the store of a mapped model; the rules for special files and
 * attributes, which see the host's ids; the id maps, so that all below is the host's; the limits.
 */
#include "fs/export.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "fs/models.h"

/* ---- values ---- */

static int value_word(const char *value, const char *const *words, size_t count, int *number)
{
	for (size_t i = 0; i < count; i++) {
		if (words[i] && strcmp(value, words[i]) == 0) {
			*number = (int)i;
			return 0;
		}
	}
	return -EINVAL;
}

#define VALUE_WORD(value, words, number) value_word(value, words, countof(words), number)

/* An id, a count or (in octal) a mode; nothing behind it but `end`. */
static int value_number(const char **text, int base, uint32_t most, char end, uint32_t *number)
{
	char *rest;
	unsigned long n;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoul(*text, &rest, base);
	if (errno || n > most || *rest != end)
		return -EINVAL;
	*text = rest + (end != '\0');
	*number = (uint32_t)n;
	return 0;
}

static int value_mode(const char *value, uint32_t most, uint32_t *mode)
{
	return value_number(&value, 8, most, '\0', mode);
}

static int value_bool(const char *value, bool *yes)
{
	static const char *const words[] = {"false", "true"};
	int number = 0, ret = VALUE_WORD(value, words, &number);

	*yes = number != 0;
	return ret;
}

static int value_xattr(const char *value, enum fs_xattr_rule *rule)
{
	static const char *const words[] = {
		[FS_XATTR_PASS] = "pass",
		[FS_XATTR_PREFIX] = "prefix",
		[FS_XATTR_DENY] = "deny",
	};
	int number = 0, ret = VALUE_WORD(value, words, &number);

	*rule = (enum fs_xattr_rule)number;
	return ret;
}

static int value_special(const char *value, enum fs_special *special)
{
	static const char *const words[] = {
		[FS_SPECIAL_REFUSE] = "refuse",
		[FS_SPECIAL_NODES] = "nodes",
		[FS_SPECIAL_OPEN] = "open",
	};
	int number = 0, ret = VALUE_WORD(value, words, &number);

	*special = (enum fs_special)number;
	return ret;
}

static int value_mounts(const char *value, enum fs_mounts *mounts)
{
	static const char *const words[] = {
		[FS_MOUNTS_CROSS] = "cross",
		[FS_MOUNTS_HIDE] = "hide",
	};
	int number = 0, ret = VALUE_WORD(value, words, &number);

	*mounts = (enum fs_mounts)number;
	return ret;
}

static int value_permissions(const char *value, enum fs_permissions *permissions)
{
	static const char *const words[] = {
		[FS_PERMISSIONS_GUEST] = "guest",
		[FS_PERMISSIONS_HOST] = "host",
	};
	int number = 0, ret = VALUE_WORD(value, words, &number);

	*permissions = (enum fs_permissions)number;
	return ret;
}

static int value_squash(struct fs_export *export, const char *value)
{
	int ret = value_number(&value, 10, UINT32_MAX - 1, ':', &export->squash_uid);

	if (ret == 0)
		ret = value_number(&value, 10, UINT32_MAX - 1, '\0', &export->squash_gid);
	export->squash = ret == 0;
	return ret;
}

static const char *const range_words[] = {
	[FS_ID_MAP] = "map",
	[FS_ID_GUEST] = "guest",
	[FS_ID_HOST] = "host",
	[FS_ID_SQUASH_GUEST] = "squash-guest",
	[FS_ID_SQUASH_HOST] = "squash-host",
	[FS_ID_FORBID_GUEST] = "forbid-guest",
	[FS_ID_FORBID_HOST] = "forbid-host",
};

/* KIND:FROM:TO:COUNT, or KIND:FROM:COUNT of what is forbidden. The last id is not -1. */
static int value_range(const char *text, struct fs_id_range *range)
{
	char word[16];
	const char *colon = strchr(text, ':');
	int kind, ret = -EINVAL;
	bool many;

	if (!colon || (size_t)(colon - text) >= sizeof(word))
		return ret;
	snprintf(word, sizeof(word), "%.*s", (int)(colon - text), text);
	if (VALUE_WORD(word, range_words, &kind))
		return ret;
	*range = (struct fs_id_range){.kind = (unsigned)kind};
	text = colon + 1;
	many = kind == FS_ID_MAP || kind == FS_ID_GUEST || kind == FS_ID_HOST;
	ret = value_number(&text, 10, UINT32_MAX - 1, ':', &range->from);
	if (ret == 0 && kind != FS_ID_FORBID_GUEST && kind != FS_ID_FORBID_HOST)
		ret = value_number(&text, 10, UINT32_MAX - 1, ':', &range->to);
	if (ret == 0)
		ret = value_number(&text, 10, UINT32_MAX, '\0', &range->count);
	if (ret || range->count == 0 || range->count > UINT32_MAX - range->from ||
	    (many && range->count > UINT32_MAX - range->to))
		return -EINVAL;
	return 0;
}

static int value_ranges(const char *value, struct fs_id_range ranges[FS_ID_RANGES])
{
	_cleanup_free_ char *copy = strdup(value);
	char *rest = copy, *word;
	size_t count = 0;
	int ret = copy ? 0 : -ENOMEM;

	memset(ranges, 0, FS_ID_RANGES * sizeof(ranges[0]));
	while (ret == 0 && (word = strsep(&rest, ",")) != NULL)
		ret = count < FS_ID_RANGES ? value_range(word, &ranges[count++]) : -EINVAL;
	return ret;
}

/* ---- options ---- */

#define XATTR_ARG "pass|prefix|deny"
#define RANGES_ARG "KIND:FROM:TO:COUNT,..."

const struct fs_export_option fs_export_options[] = {
	{"ownership", "MODEL", "none, passthrough, mapped-xattr or mapped-file"},
	{"permissions", "guest|host", "Who checks what users may do, in passthrough (guest)"},
	{"readonly", "true|false", "Refuse all changes"},
	{"fmode", "MODE", "Mode of plain files on the host, for mapped models (octal, 600)"},
	{"dmode", "MODE", "Mode of directories on the host, for mapped models (octal, 700)"},
	{"umask", "MODE", "Mode bits that new objects do not get (octal, 0)"},
	{"squash", "UID:GID", "All users of the guest are this one"},
	{"uid-map", RANGES_ARG, "Guest's and host's users; KIND is map, squash-guest, ..."},
	{"gid-map", RANGES_ARG, "The same for groups"},
	{"special-files", "refuse|nodes|open", "FIFOs, sockets, devices"},
	{"mounts", "cross|hide", "File systems mounted below the directory"},
	{"xattr-user", XATTR_ARG, "Extended attributes user.* (pass)"},
	{"xattr-trusted", XATTR_ARG, "trusted.* (deny)"},
	{"xattr-security", XATTR_ARG, "security.* (deny)"},
	{"xattr-acl", XATTR_ARG, "POSIX ACLs (pass; with mapped-xattr: prefix)"},
	{"max-space", "MIB", "What may be allocated below the directory (no limit)"},
	{"max-files", "N", "Files and directories below it (no limit)"},
	{"max-open-files", "N", "Files open at once (no limit)"},
	{"auto-delete", "0|1", "Delete the oldest files instead of refusing (0)"},
	{"max-fids", "16..1048576", "Files that the guest has a handle of (the most)"},
	{"max-requests", "16..1024", "Requests in flight (the most)"},
	{"max-request-space", "4..64", "MiB of messages in memory (the most)"},
	{"max-xattr-space", "64..16384", "KiB of attributes that are open (the most)"},
	{"max-lockers", "1..1024", "Processes that hold locks (the most)"},
};
const size_t fs_export_option_count = countof(fs_export_options);

/* From what the table says to what the engine can. */
static int value_budget(const char *value, uint32_t least, uint32_t most, uint32_t *number)
{
	int ret = value_number(&value, 10, most, '\0', number);

	return ret == 0 && *number < least ? -EINVAL : ret;
}

static int budget_set(struct fs_budget *b, const char *name, const char *value)
{
	if (strcmp(name, "max-fids") == 0)
		return value_budget(value, 16, FS_BUDGET_FIDS, &b->fids);
	if (strcmp(name, "max-requests") == 0)
		return value_budget(value, 16, FS_BUDGET_REQUESTS, &b->requests);
	if (strcmp(name, "max-request-space") == 0)
		return value_budget(value, 4, FS_BUDGET_REQUEST_SPACE, &b->request_space);
	if (strcmp(name, "max-xattr-space") == 0)
		return value_budget(value, 64, FS_BUDGET_XATTR_SPACE, &b->xattr_space);
	return strcmp(name, "max-lockers") == 0
		       ? value_budget(value, 1, FS_BUDGET_LOCKERS, &b->lockers)
		       : -EINVAL;
}

static int export_set(struct fs_export *e, const char *name, const char *value)
{
	if (strcmp(name, "ownership") == 0)
		return fs_model_parse(value, &e->model);
	if (strcmp(name, "permissions") == 0)
		return value_permissions(value, &e->permissions);
	if (strcmp(name, "readonly") == 0)
		return value_bool(value, &e->readonly);
	if (strcmp(name, "fmode") == 0)
		return value_mode(value, 0777, &e->fmode);
	if (strcmp(name, "dmode") == 0)
		return value_mode(value, 0777, &e->dmode);
	if (strcmp(name, "umask") == 0)
		return value_mode(value, 0777, &e->umask);
	if (strcmp(name, "squash") == 0)
		return value_squash(e, value);
	if (strcmp(name, "uid-map") == 0)
		return value_ranges(value, e->uids);
	if (strcmp(name, "gid-map") == 0)
		return value_ranges(value, e->gids);
	if (strcmp(name, "special-files") == 0)
		return value_special(value, &e->special);
	if (strcmp(name, "mounts") == 0)
		return value_mounts(value, &e->mounts);
	if (strcmp(name, "xattr-user") == 0)
		return value_xattr(value, &e->xattr_user);
	if (strcmp(name, "xattr-trusted") == 0)
		return value_xattr(value, &e->xattr_trusted);
	if (strcmp(name, "xattr-security") == 0)
		return value_xattr(value, &e->xattr_security);
	if (strcmp(name, "xattr-acl") == 0)
		return value_xattr(value, &e->xattr_acl);
	return budget_set(&e->budget, name, value);
}

static bool is_limit(const char *name)
{
	const char *const *limit = fs_space_names;

	while (*limit && strcmp(*limit, name) != 0)
		limit++;
	return *limit != NULL;
}

static int set_limit(struct fs_export *export, const char *name, const char *value, char *err,
		     size_t errlen)
{
	char why[64];
	int ret = fs_space_set(&export->limits, name, value, why, sizeof(why));

	if (ret)
		snprintf(err, errlen, "%s \"%s\" is %s", name, value, why);
	return ret;
}

int fs_export_set(struct fs_export *export, const char *name, const char *value, char *err,
		  size_t errlen)
{
	int ret;

	if (is_limit(name))
		return set_limit(export, name, value, err, errlen);
	ret = export_set(export, name, value);
	for (size_t i = 0; ret && i < fs_export_option_count; i++) {
		const struct fs_export_option *o = &fs_export_options[i];

		if (strcmp(o->name, name) == 0)
			snprintf(err, errlen, "%s \"%s\" is not %s", name, value,
				 strcmp(o->arg, "MODEL") == 0 ? o->doc : o->arg);
	}
	return ret;
}

/* ---- what fits together ---- */

static bool is_mapped(const struct fs_export *e)
{
	return e->model == FS_MODEL_MAPPED_XATTR || e->model == FS_MODEL_MAPPED_FILE;
}

static const char *export_fault(const struct fs_export *e)
{
	if (e->squash && (e->uids[0].kind || e->gids[0].kind))
		return "squash leaves nothing to uid-map and gid-map";
	if (e->permissions == FS_PERMISSIONS_HOST && e->model != FS_MODEL_PASSTHROUGH)
		return "permissions = host is for the model passthrough";
	if ((e->fmode || e->dmode) && !is_mapped(e))
		return "fmode and dmode are for the models mapped-xattr and mapped-file";
	if ((e->fmode && (e->fmode & 0600) != 0600) || (e->dmode && (e->dmode & 0700) != 0700))
		return "fmode and dmode must not shut the server itself out (600, 700)";
	if (e->special == FS_SPECIAL_OPEN && is_mapped(e))
		return "special-files = open: a mapped model has no special files on the host";
	if (e->model == FS_MODEL_MAPPED_XATTR && e->xattr_acl == FS_XATTR_PASS)
		return "xattr-acl = pass: with mapped-xattr an ACL of the host's would change a "
		       "mode that is not the guest's";
	if (is_mapped(e) &&
	    (e->xattr_trusted == FS_XATTR_PASS || e->xattr_security == FS_XATTR_PASS))
		return "xattr-trusted and xattr-security = pass need privileges, which mapped "
		       "models do without; prefix keeps them";
	return NULL;
}

int fs_export_check(const struct fs_export *export, char *err, size_t errlen)
{
	const char *fault = export_fault(export);

	if (fault)
		snprintf(err, errlen, "%s", fault);
	return fault ? -EINVAL : 0;
}

#define CAP(cap) (UINT64_C(1) << (cap))

/* Mapped models change nothing but the server's own objects; those of a tree that another user's
 * server has written are taken for its own. */
uint64_t fs_export_capabilities(const struct fs_export *export)
{
	uint64_t set = CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER);

	if (is_mapped(export))
		return set;
	set |= CAP(CAP_CHOWN) | CAP(CAP_FSETID) | CAP(CAP_SETGID) | CAP(CAP_SETUID) |
	       CAP(CAP_MKNOD);
	if (export->xattr_trusted == FS_XATTR_PASS || export->xattr_security == FS_XATTR_PASS)
		set |= CAP(CAP_SYS_ADMIN);
	if (export->xattr_security == FS_XATTR_PASS)
		set |= CAP(CAP_SETFCAP);
	return set;
}

/* ---- the stack ---- */

/* Defaults that depend on the model, and what is short for something else. */
static struct fs_export export_complete(const struct fs_export *given)
{
	const struct fs_id_range squash = {.kind = FS_ID_SQUASH_GUEST, .count = UINT32_MAX};
	struct fs_export e = *given;

	if (e.xattr_user == FS_XATTR_DEFAULT)
		e.xattr_user = FS_XATTR_PASS;
	if (e.xattr_trusted == FS_XATTR_DEFAULT)
		e.xattr_trusted = FS_XATTR_DENY;
	if (e.xattr_security == FS_XATTR_DEFAULT)
		e.xattr_security = FS_XATTR_DENY;
	if (e.xattr_acl == FS_XATTR_DEFAULT)
		e.xattr_acl = e.model == FS_MODEL_MAPPED_XATTR ? FS_XATTR_PREFIX : FS_XATTR_PASS;
	if (e.squash) {
		e.uids[0] = e.gids[0] = squash;
		e.uids[0].to = e.squash_uid;
		e.gids[0].to = e.squash_gid;
	}
	return e;
}

typedef int create_layer(struct fs *below, const struct fs_export *export, struct fs **fs,
			 char *err, size_t errlen);

int fs_export_groups(const struct fs_export *export, struct fs_groups **groups, char *err,
		     size_t errlen)
{
	*groups = NULL;
	if (export->permissions != FS_PERMISSIONS_HOST)
		return 0;
	return fs_groups_read("/etc/passwd", "/etc/group", groups, err, errlen);
}

int fs_export_open(const struct fs_export *export, int root_fd, const struct fs_groups *groups,
		   struct fs **fs, char *err, size_t errlen)
{
	const struct fs_export e = export_complete(export);
	create_layer *const layers[] = {
		e.model == FS_MODEL_MAPPED_XATTR  ? mapped_xattr_create
		: e.model == FS_MODEL_MAPPED_FILE ? mapped_file_create
						  : NULL,
		rules_create,
		e.uids[0].kind || e.gids[0].kind ? idmap_create : NULL,
	};
	struct fs *top = NULL;
	int ret = fs_export_check(export, err, errlen);

	if (ret == 0)
		ret = local_export(root_fd, &e, &top, err, errlen);
	if (ret == 0 && e.permissions == FS_PERMISSIONS_HOST)
		ret = caller_create(top, &e, groups, &top, err, errlen);
	for (size_t i = 0; i < countof(layers) && ret == 0; i++) {
		if (layers[i])
			ret = layers[i](top, &e, &top, err, errlen);
	}
	if (ret == 0)
		ret = fs_space_create(top, &e.limits, &top, err, errlen);
	if (ret)
		fs_destroy(top);
	else
		*fs = top;
	return ret;
}
