/* Runs a program and lets one of its writes fail.
 *
 *   inject DIR FAULT NUMBER REPORT PROGRAM ARGUMENT...
 *
 * The kernel asks this program about each system call by which the other one changes files (seccomp's user
 * notification), so it doesn't matter whether they are made by the C library, by other code or by a static program.
 * Calls that concern files below DIR are counted; those of the program's children aren't. The call of this NUMBER
 * fails: FAULT is ENOSPC, EIO or short (half of what was asked for is written; only calls of write are counted then).
 * A FAULT with a plus sign at its end (ENOSPC+) stays: all calls after it fail as well, but for those that delete.
 * REPORT gets a line for the fault, if it was met, and the count. Exits as the program does; 125 if the
 * kernel lets nobody do that. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNABLE 125

/* How a call names its file: by a descriptor, or by a path (and the directory that it starts from). */
enum kind { BY_FD, BY_PATH, BY_PATH_AT };
struct call { int number; const char *name; enum kind kind; int argument; };

static const struct call CALLS[] = {
    {SYS_write, "write", BY_FD, 0}, {SYS_pwrite64, "pwrite", BY_FD, 0}, {SYS_writev, "writev", BY_FD, 0},
    {SYS_pwritev, "pwritev", BY_FD, 0}, {SYS_fsync, "fsync", BY_FD, 0}, {SYS_fdatasync, "fdatasync", BY_FD, 0},
    {SYS_ftruncate, "ftruncate", BY_FD, 0}, {SYS_fallocate, "fallocate", BY_FD, 0},
    {SYS_sync_file_range, "sync_file_range", BY_FD, 0},
    {SYS_copy_file_range, "copy_file_range", BY_FD, 2}, {SYS_sendfile, "sendfile", BY_FD, 0},
    {SYS_splice, "splice", BY_FD, 2}, {SYS_fchmod, "fchmod", BY_FD, 0}, {SYS_ioctl, "ficlone", BY_FD, 0},
#ifdef SYS_open
    {SYS_open, "open", BY_PATH, 0}, {SYS_mkdir, "mkdir", BY_PATH, 0}, {SYS_rename, "rename", BY_PATH, 1},
    {SYS_link, "link", BY_PATH, 1}, {SYS_symlink, "symlink", BY_PATH, 1}, {SYS_chmod, "chmod", BY_PATH, 0},
    {SYS_creat, "creat", BY_PATH, 0},
#endif
#ifdef SYS_renameat
    {SYS_renameat, "rename", BY_PATH_AT, 2},
#endif
    {SYS_openat, "open", BY_PATH_AT, 0}, {SYS_mkdirat, "mkdir", BY_PATH_AT, 0},
    {SYS_renameat2, "rename", BY_PATH_AT, 2}, {SYS_linkat, "link", BY_PATH_AT, 2},
    {SYS_symlinkat, "symlink", BY_PATH_AT, 1}, {SYS_fchmodat, "chmod", BY_PATH_AT, 0},
};
#define COUNT (sizeof CALLS / sizeof *CALLS)
#define FICLONE_NUMBER 0x40049409

static void fail(const char *what) {
    fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
    exit(UNABLE);
}

static int install(void) {
    struct sock_filter filter[8 + 2 * COUNT];
    int length = 0;
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t index = 0; index < COUNT; index++) {
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS[index].number, 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {(unsigned short)length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* Passing a descriptor needs a call that is asked about in no filter: sendmsg. */
static void pass(int socket, int fd) {
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(socket, &message, 0) < 0) _exit(UNABLE);
}

static int receive(int socket) {
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(socket, &message, 0) <= 0 || !CMSG_FIRSTHDR(&message)) return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

/* Whether a thread belongs to the program itself, and not to what it has started. */
static int is_own(pid_t thread, pid_t program) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d", (int)program, (int)thread);
    return access(path, F_OK) == 0;
}

static int link_of(pid_t thread, const char *name, char *into, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)thread, name);
    ssize_t length = readlink(path, into, size - 1);
    into[length < 0 ? 0 : length] = 0;
    return length >= 0;
}

static void file_of(const struct seccomp_notif *call, const struct call *entry, char *into, size_t size) {
    char name[32];
    *into = 0;
    if (entry->kind == BY_FD) {
        snprintf(name, sizeof name, "fd/%d", (int)call->data.args[entry->argument]);
        link_of((pid_t)call->pid, name, into, size);
        return;
    }
    uint64_t address = call->data.args[entry->argument + (entry->kind == BY_PATH_AT)];
    char path[4096] = {0};
    for (size_t at = 0; at < sizeof path - 1; at += 256) {
        /* In pieces: what lies behind the text may be no memory. */
        size_t wanted = 256 - (address + at) % 256;
        if (wanted > sizeof path - 1 - at) wanted = sizeof path - 1 - at;
        struct iovec here = {path + at, wanted}, there = {(void *)(address + at), wanted};
        if (process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0) < 0) break;
        if (memchr(path + at, 0, wanted)) break;
        at += wanted - 256;
    }
    if (path[0] == '/') {
        snprintf(into, size, "%s", path);
        return;
    }
    int at = entry->kind == BY_PATH_AT ? (int)call->data.args[entry->argument] : AT_FDCWD;
    char start[4096];
    if (at == AT_FDCWD) snprintf(name, sizeof name, "cwd");
    else snprintf(name, sizeof name, "fd/%d", at);
    link_of((pid_t)call->pid, name, start, sizeof start);
    snprintf(into, size, "%s/%s", start, path);
}

/* Whether a call could change anything at all. */
static int changes(const struct seccomp_notif *call) {
#ifdef SYS_open
    if (call->data.nr == SYS_open) return (call->data.args[1] & O_CREAT) != 0;
#endif
    if (call->data.nr == SYS_openat) return (call->data.args[2] & O_CREAT) != 0;
    if (call->data.nr == SYS_ioctl) return (uint32_t)call->data.args[1] == FICLONE_NUMBER;
    return 1;
}

/* Writes half of what was asked for in the other's place. */
static long write_half(const struct seccomp_notif *call, pid_t program) {
    size_t length = call->data.args[2] / 2;
    if (length > 1 << 20) length = 1 << 20;
    char *bytes = malloc(length);
    struct iovec here = {bytes, length}, there = {(void *)call->data.args[1], length};
    int process = (int)syscall(SYS_pidfd_open, program, 0);
    int fd = (int)syscall(SYS_pidfd_getfd, process, (int)call->data.args[0], 0);
    long written = -EIO;
    if (fd >= 0 && process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0) == (ssize_t)length)
        written = write(fd, bytes, length);
    close(fd);
    close(process);
    free(bytes);
    return written;
}

int main(int count, char **arguments) {
    if (count < 6) return UNABLE;
    const char *dir = arguments[1], *fault = arguments[2], *report = arguments[4];
    int stays = fault[0] && fault[strlen(fault) - 1] == '+', is_short = !strncmp(fault, "short", 5);
    int code = !strncmp(fault, "EIO", 3) ? EIO : ENOSPC;
    long wanted = atol(arguments[3]), seen = 0;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) fail("socketpair");
    pid_t program = fork();
    if (program < 0) fail("fork");
    if (!program) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int listener = install();
        if (listener < 0) _exit(UNABLE);
        pass(pair[1], listener);
        close(listener);
        execv(arguments[5], arguments + 5);
        _exit(UNABLE);
    }
    close(pair[1]);
    int listener = receive(pair[0]);
    if (listener < 0) {
        waitpid(program, NULL, 0);
        errno = EPERM;
        fail("the kernel doesn't let this be done");
    }
    FILE *out = fopen(report, "w");
    if (!out) fail(report);
    int status = 0;
    while (waitpid(program, &status, WNOHANG) == 0) {
        struct pollfd poll_for = {listener, POLLIN, 0};
        if (poll(&poll_for, 1, 20) <= 0 || !(poll_for.revents & POLLIN)) continue;
        struct seccomp_notif call = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call)) continue;
        struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        const struct call *entry = CALLS;
        while (entry < CALLS + COUNT && entry->number != call.data.nr) entry++;
        char file[8192];
        int counts = is_short ? call.data.nr == SYS_write && call.data.args[2] > 1 : changes(&call);
        if (entry < CALLS + COUNT && counts && is_own((pid_t)call.pid, program)) {
            file_of(&call, entry, file, sizeof file);
            if (!strncmp(file, dir, strlen(dir)) && (seen++, seen == wanted || (stays && wanted && seen > wanted))) {
                long result = is_short ? write_half(&call, program) : -code;
                answer.flags = 0;
                if (result < 0) answer.error = (int)result;
                else answer.val = result;
                if (seen == wanted) fprintf(out, "hit %s %s\n", entry->name, file + strlen(dir));
            }
        }
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    fprintf(out, "count %ld\n", seen);
    fclose(out);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}
