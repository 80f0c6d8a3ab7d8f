// Starts the few threads that block on descriptors and queues. They are not tasks, because a blocked task
// holds one of the two or four threads that all Swift concurrency on the machine has.

import Glibc

/// A named detached thread that runs one closure and ends.
enum BlockingThread {
    private final class Body {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts `body`; false when the system refuses another thread. `name` shows in ps and debuggers (15
    /// bytes).
    static func start(name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        let argument = Unmanaged.passRetained(Body(name: name, run: body))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                BlockingThread.nameCurrentThread(body.name)
                body.run()
                return nil
            },
            argument.toOpaque())
        guard status == 0 else {
            argument.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    /// pthread_setname_np is hidden from Swift by glibc's feature macros; the kernel's own file does the
    /// same.
    private static func nameCurrentThread(_ name: String) {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        let bytes = Array(name.utf8.prefix(15))
        _ = write(descriptor, bytes, bytes.count)
        close(descriptor)
    }
}
