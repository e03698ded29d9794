/* A clock that is wrong: CLOCK_REALTIME is shifted by the seconds in SHIFT, for whatever loads this library.
 * A SHIFT that begins with = sets it to that second instead, and it stays there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static void shift(struct timespec *time) {
    const char *by = getenv("SHIFT");
    if (!by) return;
    if (*by == '=') *time = (struct timespec){atoll(by + 1), 0};
    else time->tv_sec += atoll(by);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*original)(clockid_t, struct timespec *);
    if (!original) *(void **)&original = dlsym(RTLD_NEXT, "clock_gettime");
    int result = original(clock, time);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(time);
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    *time = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *into) {
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
