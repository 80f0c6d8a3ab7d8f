// The thread named `index`: the executor of RepositoryContext. libgit2 and file reads block, and Swift's own
// pool has as many threads as the machine has cores, so that one slow read there would hold up everything
// else. One per process, never ended.

import Glibc
import Synchronization

/// Runs an actor's jobs one after the other on one thread, in the order in which they were enqueued.
///
/// The queue is not bounded here: its length is the number of calls that are waiting, which the callers bound
/// (one completion at a time, one background slice per root).
final class IndexThread: SerialExecutor {
    /// The thread.
    static let shared = IndexThread()

    private let jobs = Mutex<[UnownedJob]>([])
    /// Counts the jobs; allocated for the life of the process, and used by libc's own atomic operations
    /// alone.
    nonisolated(unsafe) private let available: UnsafeMutablePointer<sem_t>

    private init() {
        available = .allocate(capacity: 1)
        sem_init(available, 0, 0)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        // Trees nest up to 64 folders deep, and libgit2 uses a few KiB per level.
        pthread_attr_setstacksize(&attributes, 4 << 20)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { _ in
                IndexThread.nameCurrentThread("index")
                IndexThread.shared.run()
            }, nil
        )
        pthread_attr_destroy(&attributes)
        precondition(code == 0, "the system refuses another thread (pthread_create: \(code))")
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        sem_post(available)
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// As `pthread_setname_np`, which Glibc's module does not export. A thread without a name works as well.
    private static func nameCurrentThread(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = write(file, name, name.utf8.count)
        close(file)
    }

    private func run() -> Never {
        while true {
            guard sem_wait(available) == 0 else { continue }  // interrupted by a signal
            let job = jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            job?.runSynchronously(on: asUnownedSerialExecutor())
        }
    }
}
