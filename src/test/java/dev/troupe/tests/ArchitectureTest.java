package dev.troupe.tests;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import dev.troupe.protocol.data.Rollout;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * The house's rules of docs/architecture.md: which way dependencies point, and what each module
 * must not know.
 */
@AnalyzeClasses(packages = "dev.troupe", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  private static final String PLAIN_DATA = "dev.troupe.protocol.data..";

  @ArchTest
  static final ArchRule dependenciesPointOneWay =
      layeredArchitecture()
          .consideringOnlyDependenciesInAnyPackage("dev.troupe..")
          .layer("protocol")
          .definedBy("dev.troupe.protocol..")
          .layer("models")
          .definedBy("dev.troupe.models..")
          .layer("hybrid-engine")
          .definedBy("dev.troupe.engine..")
          .layer("rlhf")
          .definedBy("dev.troupe.rlhf..")
          .layer("rewards")
          .definedBy("dev.troupe.rewards..")
          .layer("actors")
          .definedBy("dev.troupe.actors..")
          .layer("configuration")
          .definedBy("dev.troupe.configuration..")
          .layer("dashboard")
          .definedBy("dev.troupe.dashboard..")
          .layer("launcher")
          .definedBy("dev.troupe.launcher..")
          .whereLayer("launcher")
          .mayNotBeAccessedByAnyLayer()
          .whereLayer("dashboard")
          .mayOnlyBeAccessedByLayers("launcher")
          .whereLayer("configuration")
          .mayOnlyBeAccessedByLayers("launcher")
          .whereLayer("actors")
          .mayOnlyBeAccessedByLayers("configuration", "launcher")
          .whereLayer("rlhf")
          .mayOnlyBeAccessedByLayers("rewards", "actors", "configuration", "launcher")
          .whereLayer("rewards")
          .mayOnlyBeAccessedByLayers("actors", "launcher")
          .whereLayer("hybrid-engine")
          .mayOnlyBeAccessedByLayers("actors", "launcher")
          .whereLayer("models")
          .mayOnlyBeAccessedByLayers("hybrid-engine", "actors", "launcher")
          .because("a newcomer finds the way by one direction");

  @ArchTest
  static final ArchRule algorithmsKnowNoEngineNoActorsNoSockets =
      noClasses()
          .that()
          .resideInAPackage("dev.troupe.rlhf..")
          .should()
          .dependOnClassesThat(
              resideInAnyPackage(
                  "org.apache.pekko..",
                  "ai.djl..",
                  "dev.troupe.models..",
                  "dev.troupe.engine..",
                  "java.net.."))
          .because("a loss must be provable by hand, wherever it will run");

  @ArchTest
  static final ArchRule whatAPolicyReadCountsNowhere =
      noClasses()
          .that()
          .resideInAPackage("dev.troupe.rlhf..")
          .and()
          .resideOutsideOfPackage("dev.troupe.rlhf.environment..")
          .and()
          .doNotHaveSimpleName("Sample")
          .and()
          .doNotHaveSimpleName("EpisodeFigures")
          .should()
          .callMethod(Rollout.class, "response")
          .because("only length(), sampled() and sequence() leave out what was not sampled");

  @ArchTest
  static final ArchRule algorithmsAndEngineSeePlainDataOnly =
      noClasses()
          .that()
          .resideInAnyPackage("dev.troupe.rlhf..", "dev.troupe.engine..", "dev.troupe.models..")
          .should()
          .dependOnClassesThat(
              resideInAPackage("dev.troupe.protocol..")
                  .and(not(resideInAPackage(PLAIN_DATA)))
                  .and(not(resideInAPackage("dev.troupe.protocol.recording"))))
          .because("messages, serialisation and events are the actors' business");

  @ArchTest
  static final ArchRule mathsIsPure =
      noClasses()
          .that()
          .resideInAPackage("dev.troupe.rlhf.loss..")
          .should()
          .dependOnClassesThat(
              resideInAnyPackage(
                  "java.io..",
                  "java.nio..",
                  "java.time..",
                  "java.util.concurrent..",
                  "org.slf4j.."))
          .because("the same numbers in give the same numbers out");

  @ArchTest
  static final ArchRule plainDataIsPlain =
      classes()
          .that()
          .resideInAPackage(PLAIN_DATA)
          .should()
          .onlyDependOnClassesThat(
              resideInAnyPackage("java..", PLAIN_DATA, "org.jspecify.annotations.."))
          .because("it is what every other module agrees on");

  @ArchTest
  static final ArchRule modelsKnowNoActors =
      noClasses()
          .that()
          .resideInAnyPackage("dev.troupe.models..", "dev.troupe.engine..")
          .should()
          .dependOnClassesThat(resideInAnyPackage("org.apache.pekko..", "com.esotericsoftware.."))
          .because("an engine can be used without a cluster");

  @ArchTest
  static final ArchRule onlyModelsAndEngineTouchTorch =
      noClasses()
          .that()
          .resideOutsideOfPackages("dev.troupe.models..", "dev.troupe.engine..", "ai.djl..")
          .should()
          .dependOnClassesThat(resideInAnyPackage("ai.djl.."))
          .because("native handles leak unless their owner is near");

  @ArchTest
  static final ArchRule dashboardReadsTheEventStreamAlone =
      noClasses()
          .that()
          .resideInAPackage("dev.troupe.dashboard..")
          .should()
          .dependOnClassesThat(
              resideInAPackage("dev.troupe..")
                  .and(
                      not(
                          resideInAnyPackage(
                              "dev.troupe.dashboard..", "dev.troupe.protocol.event.."))))
          .because("a page that reads what is written can be opened after the run as well");

  @ArchTest
  static final ArchRule noUtilPackage =
      noClasses()
          .should()
          .resideInAnyPackage("..util..", "..utils..", "..helper..", "..common..")
          .because("a package is named for a concept");

  @ArchTest
  static final ArchRule noCycles =
      slices().matching("dev.troupe.(*).(*)..").should().beFreeOfCycles();

  @Test
  void everyPackageSaysWhatItIsFor() {
    JavaClasses all =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.troupe");
    Set<String> documented =
        all.stream()
            .filter(type -> type.getSimpleName().equals("package-info"))
            .map(JavaClass::getPackageName)
            .collect(Collectors.toSet());
    Set<String> packages = all.stream().map(JavaClass::getPackageName).collect(Collectors.toSet());
    assertThat(packages).hasSizeGreaterThan(15);
    assertThat(documented).containsAll(packages);
  }
}
