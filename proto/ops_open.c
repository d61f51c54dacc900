/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_open.c - Topen and Tcreate, as 9P2000 and 9P2000.u have them. Tcreate makes everything there
 * is, told apart by bits of `perm`, and its fid becomes what was made.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/util.h"
#include "proto/change.h"
#include "proto/ops.h"
#include "proto/text.h"

#define DM_SPECIAL                                                                                 \
	(P9_DMSYMLINK | P9_DMLINK | P9_DMDEVICE | P9_DMNAMEDPIPE | P9_DMSOCKET | P9_DMSETUID |     \
	 P9_DMSETGID | P9_DMSETVTX)

/* Bits that have no meaning are to be 0 (open(5)). P9_OCEXEC is the client's own affair. */
static int host_flags(enum p9_dialect dialect, uint8_t mode)
{
	static const int access[] = {
		[P9_OREAD] = O_RDONLY,
		[P9_OWRITE] = O_WRONLY,
		[P9_ORDWR] = O_RDWR,
		[P9_OEXEC] = O_RDONLY,
	};
	uint8_t known = P9_OACCMODE | P9_OTRUNC | P9_OCEXEC | P9_ORCLOSE;

	if (dialect == P9_U)
		known |= P9_OAPPEND;
	if ((mode & ~known) != 0)
		return -EINVAL;
	return access[mode & P9_OACCMODE] | ((mode & P9_OTRUNC) != 0 ? O_TRUNC : 0) |
	       ((mode & P9_OAPPEND) != 0 ? O_APPEND : 0);
}

int do_open(struct req *req)
{
	uint8_t mode = req->t.Topen.mode;
	int flags = host_flags(req->dialect, mode);

	if (flags < 0)
		return flags;
	if ((mode & P9_ORCLOSE) != 0 && S_ISDIR(req->node->saved.fs.type))
		return -EISDIR;
	if ((mode & P9_ORCLOSE) != 0 && req->session->config.readonly)
		return -EROFS;
	return op_may_open(req, flags);
}

/* Who has the right to is for the client to say; but what nobody may execute is no program. */
static int check_executable(struct req *req)
{
	struct fs_attr attr;
	int err = fs_getattr(req->session->fs, req->node->saved.fs, &attr);

	return err == 0 && (attr.mode & 0111) == 0 ? -EACCES : err;
}

int do_open_ask(struct req *req)
{
	uint8_t mode = req->t.Topen.mode;
	int err = (mode & P9_OACCMODE) == P9_OEXEC ? check_executable(req) : 0;

	if (err < 0)
		return err;
	return fs_open(req->session->fs, req->node->saved.fs, host_flags(req->dialect, mode),
		       &req->new_file);
}

int do_open_commit(struct req *req)
{
	bool dir = S_ISDIR(req->node->saved.fs.type);

	op_opened(req, req->node->saved.qid, dir)->rclose = (req->t.Topen.mode & P9_ORCLOSE) != 0;
	return 0;
}

/* ---- Tcreate ---- */

/* What is to be made. */
struct object {
	uint32_t mode; /* with S_IFMT; 0 there: a further name for dnode's object */
	uint32_t major, minor;
};

bool op_create_names(const struct p9_Tcreate *t, uint32_t *fid)
{
	return (t->perm & P9_DMLINK) != 0 && text_link(t->extension.text, fid);
}

/* One of the bits that say what it is; a file has none. */
static int find_type(uint32_t perm, uint32_t *type)
{
	static const struct {
		uint32_t bit, type;
	} types[] = {
		{P9_DMDIR, S_IFDIR},	   {P9_DMSYMLINK, S_IFLNK}, {P9_DMLINK, 0},
		{P9_DMNAMEDPIPE, S_IFIFO}, {P9_DMSOCKET, S_IFSOCK}, {P9_DMDEVICE, S_IFCHR},
	};
	unsigned found = 0;

	*type = S_IFREG;
	for (size_t i = 0; i < countof(types); i++) {
		if ((perm & types[i].bit) != 0) {
			*type = types[i].type;
			found++;
		}
	}
	return found > 1 ? -EINVAL : 0;
}

/* What no host file system keeps (append-only, exclusive use, temporary) is refused. */
static int find_object(const struct req *req, struct object *object)
{
	const struct p9_Tcreate *t = &req->t.Tcreate;
	uint32_t known = P9_DMDIR | P9_DMPERM | (req->dialect == P9_U ? DM_SPECIAL : 0), type;

	*object = (struct object){.mode = 0};
	if ((t->perm & ~known) != 0)
		return -EPERM;
	if (find_type(t->perm, &type) < 0)
		return -EINVAL;
	if ((t->perm & P9_DMDEVICE) != 0 &&
	    !text_device(t->extension.text, &type, &object->major, &object->minor))
		return -EINVAL;
	if ((t->perm & P9_DMLINK) != 0 && req->dnode == NULL)
		return -EINVAL;
	object->mode = type | (t->perm & P9_DMPERM) | ((t->perm & P9_DMSETUID) != 0 ? S_ISUID : 0) |
		       ((t->perm & P9_DMSETGID) != 0 ? S_ISGID : 0) |
		       ((t->perm & P9_DMSETVTX) != 0 ? S_ISVTX : 0);
	return 0;
}

int do_create(struct req *req)
{
	uint8_t mode = req->t.Tcreate.mode;
	int flags = host_flags(req->dialect, mode);
	struct object object;
	int err = find_object(req, &object);

	if (flags < 0 || err < 0)
		return err < 0 ? err : flags;
	if (S_ISREG(object.mode))
		return 0;
	if (S_ISDIR(object.mode))
		return flags == O_RDONLY && (mode & P9_ORCLOSE) == 0 ? 0 : -EISDIR;
	return (mode & P9_ORCLOSE) == 0 ? 0 : -EINVAL;
}

/* The group is the directory's, and in 9P2000 the permissions are no wider than its (open(5)). A
 * client of .u has POSIX in mind, and its umask behind it. */
static int inherit(struct req *req, struct object *object)
{
	uint32_t wide = S_ISDIR(object->mode) ? 0777 : 0666;
	struct fs_attr dir;
	int err = fs_getattr(req->session->fs, req->node->saved.fs, &dir);

	if (err < 0)
		return err;
	req->cred.gid = dir.gid;
	if (req->dialect == P9_PLAIN)
		object->mode &= ~wide | dir.mode;
	return 0;
}

static int make(struct req *req, const struct object *object)
{
	const struct p9_Tcreate *t = &req->t.Tcreate;
	struct fs *fs = req->session->fs;
	struct fs_node dir = req->node->saved.fs;
	int err;

	switch (object->mode & S_IFMT) {
	case S_IFDIR:
		return fs_mkdir(fs, dir, t->name.text, object->mode, req->cred, &req->attr,
				req->intent);
	case S_IFLNK:
		return fs_symlink(fs, dir, t->name.text, t->extension.text, req->cred, &req->attr,
				  req->intent);
	case 0:
		err = fs_link(fs, req->dnode->saved.fs, dir, t->name.text, req->intent);
		return err == 0 ? fs_getattr(fs, req->dnode->saved.fs, &req->attr) : err;
	default:
		return fs_mknod(fs, dir, t->name.text, object->mode, object->major, object->minor,
				req->cred, &req->attr, req->intent);
	}
}

/* Only making it must not be done twice. ESTALE: somebody has put another in its place. */
static int make_and_find(struct req *req, const struct object *object)
{
	struct fs *fs = req->session->fs;
	int err = make(req, object);
	uint64_t made = req->attr.path;

	if (err == 0)
		err = fs_walk(fs, req->node->saved.fs, req->t.Tcreate.name.text, &req->new_node,
			      &req->attr);
	if (err == 0 && req->attr.path != made)
		err = -ESTALE;
	if (err == 0 && S_ISDIR(req->new_node.type))
		err = fs_open(fs, req->new_node, O_RDONLY, &req->new_file);
	return err;
}

int do_create_ask(struct req *req)
{
	const struct p9_Tcreate *t = &req->t.Tcreate;
	struct object object;
	int err = find_object(req, &object);

	if (err == 0)
		err = inherit(req, &object);
	if (err == 0 && S_ISREG(object.mode))
		err = fs_create(req->session->fs, req->node->saved.fs, t->name.text,
				host_flags(req->dialect, t->mode) | O_EXCL, object.mode, req->cred,
				&req->new_node, &req->new_file, &req->attr, req->intent);
	else if (err == 0)
		err = make_and_find(req, &object);
	if (err == 0)
		req_note_handle(req);
	return err;
}

int do_create_commit(struct req *req)
{
	struct p9_qid qid = node_qid(&req->attr);
	uint32_t node = change_node(req);
	struct fid_saved *fid;

	if (node == 0)
		return -ENFILE;
	if (req->new_file.id >= 0) {
		fid = op_opened(req, qid, S_ISDIR(req->new_node.type));
		fid->rclose = (req->t.Tcreate.mode & P9_ORCLOSE) != 0;
	} else {
		fid = change_fid(req);
		req->r.Rcreate.qid = qid;
	}
	fid->node = node;
	return 0;
}
