#define _GNU_SOURCE // fallocate
#include "trace/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

static const char LABEL[] = "trace.draft";

/// What HDF5 may write of rows beside them until its next flush.
enum { NOTES_BYTES = 1 << 20 };

struct Draft {
    char said[1024];             // as the user wrote it
    char place[PATH_MAX];        // the same, resolved
    char part[DRAFT_PATH_BYTES]; // the draft
    char lock[DRAFT_PATH_BYTES];
    int file, locked; // descriptors; -1: none
    int64_t used;     // bytes that hold something, or may since they were asked for
    int64_t length;   // of the file, as it was made last
    DraftKind is_trace;
    bool published;
};

static Status refuse(const char *said, const char *what, int number) {
    FAIL(STATUS_OUTPUT, "%s: %s: %s", said, what, strerror(number));
}

static Status make_folders(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0777) != 0 && errno != EEXIST)
            FAIL(STATUS_OUTPUT, "%s: cannot make the folder %s: %s", path, folder, strerror(errno));
        *slash = '/';
    }
    return status_ok();
}

/// Two names of one place become one: links are followed, of a file that is not there yet those of its folder.
static Status resolve(Draft *draft) {
    const char *said = draft->said;
    struct stat there;
    if (realpath(said, draft->place)) return status_ok();
    if (errno != ENOENT) return refuse(said, "cannot write there", errno);
    REQUIRE(lstat(said, &there) != 0, STATUS_OUTPUT, "%s: is a link to nowhere", said);
    const char *slash = strrchr(said, '/'), *name = slash ? slash + 1 : said;
    REQUIRE(name[0], STATUS_OUTPUT, "%s: a file to write a trace to wants a name", said);
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - said) + 1 : 1,
             slash ? said : ".");
    if (!realpath(folder, draft->place)) return refuse(said, "cannot write there", errno);
    size_t used = strlen(draft->place);
    if (used + 1 + strlen(name) >= sizeof draft->place)
        return refuse(said, "cannot write there", ENAMETOOLONG);
    snprintf(draft->place + used, sizeof draft->place - used, "%s%s", used > 1 ? "/" : "", name);
    return status_ok();
}

/// PLACE/.NAME.suffix
static void name_beside(const char *place, const char *suffix, char beside[DRAFT_PATH_BYTES]) {
    const char *name = strrchr(place, '/') + 1;
    snprintf(beside, DRAFT_PATH_BYTES, "%.*s.%s.%s", (int)(name - place), place, name, suffix);
}

/// What stands there is a file, nobody's input, and may be written.
static Status check_input(const Draft *draft, const char *const input[], int ninputs) {
    struct stat there, other;
    if (stat(draft->place, &there) != 0) return status_ok();
    for (int i = 0; i < ninputs; i++)
        REQUIRE(stat(input[i], &other) != 0 || other.st_dev != there.st_dev ||
                    other.st_ino != there.st_ino,
                STATUS_OUTPUT, "%s: is an input of this run and stays as it is", draft->said);
    REQUIRE(S_ISREG(there.st_mode), STATUS_OUTPUT, "%s: is %s, not a file to write a trace to",
            draft->said, S_ISDIR(there.st_mode) ? "a folder" : "a device or pipe");
    if (access(draft->place, W_OK) != 0) return refuse(draft->said, "may not be replaced", errno);
    return status_ok();
}

/// What stands there is a trace.
static Status check_old(const Draft *draft) {
    if (access(draft->place, F_OK) != 0) return status_ok();
    return draft->is_trace(draft->place, draft->said);
}

/// Say who holds the lock, as that run has written it there.
static Status refuse_locked(const Draft *draft) {
    char holder[256] = "";
    ssize_t n = pread(draft->locked, holder, sizeof holder - 1, 0);
    holder[n > 0 ? n : 0] = '\0';
    FAIL(STATUS_OUTPUT, "%s: another run is writing it%s%s", draft->said, holder[0] ? ": " : "",
         holder);
}

/// Open the lock file and lock it. *again: it was removed by its holder between the two.
static Status try_lock(Draft *draft, bool *again) {
    struct stat held, named;
    draft->locked = open(draft->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (draft->locked < 0) return refuse(draft->said, "cannot write there", errno);
    if (flock(draft->locked, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return refuse_locked(draft);
        log_warning("%s: the file system knows no locks (%s): nothing keeps another run from it",
                    draft->said, strerror(errno));
        return status_ok();
    }
    *again = fstat(draft->locked, &held) != 0 || stat(draft->lock, &named) != 0 ||
             held.st_ino != named.st_ino || held.st_dev != named.st_dev;
    return status_ok();
}

static void drop_lock(Draft *draft, bool mine) {
    if (mine) unlink(draft->lock);
    if (draft->locked >= 0) close(draft->locked);
    draft->locked = -1;
}

static Status take_lock(Draft *draft) {
    for (bool again = true; again;) {
        again = false;
        Status status = try_lock(draft, &again);
        if (!status_is_ok(&status) || again) drop_lock(draft, false);
        if (!status_is_ok(&status)) return status;
    }
    char host[128] = "", holder[200];
    gethostname(host, sizeof host - 1);
    int n = snprintf(holder, sizeof holder, "process %ld on %s", (long)getpid(), host);
    if (ftruncate(draft->locked, 0) == 0) (void)!pwrite(draft->locked, holder, (size_t)n, 0);
    return status_ok();
}

/// The lock is ours, so what is left there of a run that was killed is nobody's.
static Status make_part(Draft *draft) {
    struct stat old;
    if (unlink(draft->part) != 0 && errno != ENOENT)
        return refuse(draft->said, "cannot remove what a killed run has left", errno);
    draft->file = open(draft->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (draft->file < 0) return refuse(draft->said, "cannot write there", errno);
    if (stat(draft->place, &old) == 0) (void)!fchmod(draft->file, old.st_mode & 07777);
    return status_ok();
}

static Status begin(Draft *draft, const char *const input[], int ninputs) {
    TRY(resolve(draft));
    TRY(check_input(draft, input, ninputs));
    name_beside(draft->place, "lock", draft->lock);
    name_beside(draft->place, "part", draft->part);
    TRY(take_lock(draft));
    TRY(check_old(draft));
    return make_part(draft);
}

Status draft_begin(const char *path, bool make_folder, const char *const input[], int ninputs,
                   DraftKind is_trace, Draft **out) {
    if (make_folder) TRY(make_folders(path));
    Draft *draft = memory_alloc(LABEL, sizeof *draft);
    *draft = (Draft){.file = -1, .locked = -1, .is_trace = is_trace};
    snprintf(draft->said, sizeof draft->said, "%s", path);
    Status status = begin(draft, input, ninputs);
    if (status_is_ok(&status))
        *out = draft;
    else
        draft_end(&draft);
    return status;
}

const char *draft_path(const Draft *draft) { return draft->published ? draft->place : draft->part; }

bool draft_is_published(const Draft *draft) { return draft->published; }

/// Where nothing can be set aside: whether there is room now.
static Status check_room(const Draft *draft, int64_t bytes) {
    struct statvfs space;
    if (fstatvfs(draft->file, &space) != 0) return status_ok();
    const double free_bytes = (double)space.f_bavail * (double)space.f_frsize;
    REQUIRE((double)bytes <= free_bytes, STATUS_OUTPUT,
            "%s: the file system is full: %.3g MB are left, the next rows may need %.3g MB",
            draft->said, free_bytes / 1e6, (double)bytes / 1e6);
    return status_ok();
}

/// Make the file `bytes` longer than `size`.
static Status lengthen(const Draft *draft, int64_t size, int64_t bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        REQUIRE((double)size + (double)bytes <= (double)limit.rlim_cur, STATUS_OUTPUT,
                "%s: it may not grow beyond %.3g MB (limit on the size of files; ulimit -f)",
                draft->said, (double)limit.rlim_cur / 1e6);
    int failed;
    do failed = fallocate(draft->file, 0, (off_t)size, (off_t)bytes);
    while (failed && errno == EINTR);
    if (failed && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        TRY(check_room(draft, bytes));
        failed = ftruncate(draft->file, (off_t)(size + bytes));
    }
    REQUIRE(!failed, STATUS_OUTPUT, "%s: no room for the next %.3g MB: %s", draft->said,
            (double)bytes / 1e6, strerror(errno));
    return status_ok();
}

Status draft_reserve(Draft *draft, int64_t bytes) {
    struct stat now;
    if (fstat(draft->file, &now) != 0) return refuse(draft->said, "cannot be looked at", errno);
    const int64_t size = now.st_size;
    if (size != draft->length) draft->used = size; // HDF5 has cut it to what it uses
    draft->used += bytes;
    draft->length = size;
    if (draft->used + NOTES_BYTES <= size) return status_ok();
    TRY(lengthen(draft, size, draft->used + NOTES_BYTES - size));
    draft->length = draft->used + NOTES_BYTES;
    return status_ok();
}

Status draft_check(const Draft *draft) {
    struct stat mine, there;
    if (fstat(draft->file, &mine) != 0) return refuse(draft->said, "cannot be looked at", errno);
    if (stat(draft_path(draft), &there) != 0)
        return refuse(draft->said, "has gone while it was written", errno);
    REQUIRE(mine.st_ino == there.st_ino && mine.st_dev == there.st_dev, STATUS_OUTPUT,
            "%s: another file has taken its place while it was written", draft->said);
    return status_ok();
}

Status draft_publish(Draft *draft) {
    TRY(draft_check(draft));
    if (draft->published) return status_ok();
    TRY(check_old(draft)); // what may have come there since
    if (rename(draft->part, draft->place) != 0)
        return refuse(draft->said, "cannot be put in its place", errno);
    draft->published = true;
    return status_ok();
}

void draft_end(Draft **at) {
    Draft *draft = *at;
    if (!draft) return;
    if (draft->file >= 0) {
        if (!draft->published) unlink(draft->part);
        close(draft->file);
    }
    drop_lock(draft, draft->locked >= 0);
    memory_free(LABEL, draft, sizeof *draft);
    *at = NULL;
}
