// What a measurement says about its machine: processors that share a name are told apart.

import Testing

@testable import CompletionDaemon

struct MachineDescriptionTests {
    @Test("two generations under one name have different descriptions")
    func familyAndModelBelongToTheName() {
        func list(family: Int, model: Int) -> String {
            """
            processor\t: 0
            cpu family\t: \(family)
            model\t\t: \(model)
            model name\t: AMD EPYC

            processor\t: 1
            cpu family\t: 1
            model\t\t: 1
            model name\t: another
            """
        }
        #expect(
            MachineDescription.cpuName(inProcessorList: list(family: 25, model: 17))
                == "AMD EPYC (family 25, model 17)")
        #expect(
            MachineDescription.cpuName(inProcessorList: list(family: 26, model: 2)) == "AMD EPYC (family 26, model 2)")
    }

    @Test("a list without family, model or name still has a description")
    func missingFields() {
        #expect(MachineDescription.cpuName(inProcessorList: "model name\t: Cortex-A72\n") == "Cortex-A72")
        #expect(MachineDescription.cpuName(inProcessorList: "processor\t: 0\nBogoMIPS\t: 50.00\n") == "unknown CPU")
    }
}
