// swift-tools-version: 6.2
// How this manifest is written, so that diffs to it never argue: one MARK section per target with its
// test target beside it, sections in alphabetical order, one dependency per line, arrays sorted.

import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    // Borrowed git objects and Span-returning accessors; swift-nio and swift-collections enable it too.
    .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
    name: "foretoken",
    products: [
        .executable(name: "foretoken", targets: ["CompletionDaemon"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    ],
    targets: [
        // MARK: ArchitectureTests

        .testTarget(
            name: "ArchitectureTests",
            dependencies: ["TestSupport"],
            swiftSettings: swiftSettings
        ),

        // MARK: CGit2

        .systemLibrary(
            name: "CGit2",
            pkgConfig: "libgit2",
            providers: [.apt(["libgit2-dev"]), .brew(["libgit2"])]
        ),

        // MARK: CHTTPClient

        .target(
            name: "CHTTPClient",
            linkerSettings: [
                .linkedLibrary("dl"),
                .linkedLibrary("pthread"),
            ]
        ),

        // MARK: COpenBLAS

        .systemLibrary(
            name: "COpenBLAS",
            pkgConfig: "openblas",
            providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]
        ),

        // MARK: CSpecKernels

        .target(
            name: "CSpecKernels",
            cSettings: [
                // Appended after SwiftPM's own -O0, so it wins: a debug build of the kernels is 80 times slower.
                .unsafeFlags(["-O3"], .when(configuration: .debug)),
                // A fused multiply-add happens where a kernel writes one and nowhere else; errno is never read.
                .unsafeFlags(["-ffp-contract=off", "-fno-math-errno"]),
            ],
            linkerSettings: [
                .linkedLibrary("m"),
                .linkedLibrary("pthread"),
            ]
        ),

        // MARK: CompletionDaemon

        .executableTarget(
            name: "CompletionDaemon",
            dependencies: [
                "CompletionEvaluation",
                "RepoContext",
                "SpecEngine",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "CompletionDaemonTests",
            dependencies: [
                "CompletionDaemon",
                "CompletionEvaluation",
                "TestSupport",
            ],
            swiftSettings: swiftSettings
        ),

        // MARK: CompletionEvaluation

        .target(
            name: "CompletionEvaluation",
            dependencies: [
                "CHTTPClient",
                "RepoContext",
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "CompletionEvaluationTests",
            dependencies: [
                "CompletionEvaluation",
                "TestSupport",
            ],
            swiftSettings: swiftSettings
        ),

        // MARK: RepoContext

        .target(
            name: "RepoContext",
            dependencies: ["CGit2"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "RepoContextTests",
            dependencies: [
                "CGit2",
                "RepoContext",
                "TestSupport",
            ],
            swiftSettings: swiftSettings
        ),

        // MARK: SpecEngine

        .target(
            name: "SpecEngine",
            dependencies: [
                "COpenBLAS",
                "CSpecKernels",
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "SpecEngineTests",
            dependencies: [
                "CSpecKernels",
                "SpecEngine",
                "TestSupport",
            ],
            exclude: ["Golden"],
            swiftSettings: swiftSettings
        ),

        // MARK: TestSupport

        .target(
            name: "TestSupport",
            dependencies: ["CGit2"],
            path: "Tests/TestSupport",
            swiftSettings: swiftSettings
        ),
    ],
    swiftLanguageModes: [.v6]
)
