// How an engine is set up: threads, arithmetic, limits.

import CSpecKernels

/// Choices made once, when an engine is loaded.
package struct EngineOptions: Sendable {
    /// Compute threads; nil chooses by the machine.
    package var threadCount: Int?
    package var instructionSet: InstructionSet
    /// Compute in f32 throughout, for checking.
    package var usesReference: Bool
    /// Positions of the resident sequence; nil takes the model's own context length.
    package var positionLimit: Int?
    /// Bytes that keys and values of resident sequences may take; nil chooses by the machine.
    package var cacheByteLimit: Int?
    /// How to speculate. The float reference never does.
    package var speculation: SpeculationOptions
    /// Further ways to speculate that a request may choose, for measuring.
    package var speculationAlternatives: [SpeculationOptions]
    /// How the model file's checksum is found that a draft asks for; computing it takes a fifth of a second.
    package var checksum: FileChecksum.Source = FileChecksum.sha256

    package init(
        threadCount: Int? = nil, instructionSet: InstructionSet = .best, usesReference: Bool = false,
        positionLimit: Int? = nil, cacheByteLimit: Int? = nil, speculation: SpeculationOptions = .off,
        speculationAlternatives: [SpeculationOptions] = []
    ) {
        self.threadCount = threadCount
        self.instructionSet = instructionSet
        self.usesReference = usesReference
        self.positionLimit = positionLimit
        self.cacheByteLimit = cacheByteLimit
        self.speculation = speculation
        self.speculationAlternatives = speculationAlternatives
    }

    /// Cores that this process may use.
    package static var availableCoreCount: Int { Int(spec_available_cores()) }
}
