import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.maven.model.Dependency;
import org.apache.maven.model.building.DefaultModelBuilderFactory;
import org.apache.maven.model.building.DefaultModelBuildingRequest;
import org.apache.maven.repository.internal.MavenRepositorySystemUtils;
import org.eclipse.aether.DefaultRepositorySystemSession;
import org.eclipse.aether.RepositorySystem;
import org.eclipse.aether.artifact.DefaultArtifact;
import org.eclipse.aether.collection.CollectRequest;
import org.eclipse.aether.collection.DependencyCollectionException;
import org.eclipse.aether.collection.UnsolvableVersionConflictException;
import org.eclipse.aether.repository.LocalRepository;
import org.eclipse.aether.resolution.VersionRangeResolutionException;
import org.eclipse.aether.util.version.GenericVersionScheme;

/**
 * What Maven's own resolver says, the one that `mvn` runs, with the session that it makes. The first argument is a local
 * repository, the second a file with a line for each question: `collect group:artifact:version,...` of what a project
 * depends on, `compare one other`, or `passed-on file` of a pom. Answers a line each: `found`, `refused`, the order, or
 * what whoever uses the module of the pom gets with it, `group:artifact@version;...` behind a `+`.
 */
public final class MavenVerdicts {
    public static void main(String[] arguments) throws Exception {
        RepositorySystem system =
            MavenRepositorySystemUtils.newServiceLocator().getService(RepositorySystem.class);
        DefaultRepositorySystemSession session = MavenRepositorySystemUtils.newSession();
        LocalRepository local = new LocalRepository(new File(arguments[0]), "simple");
        session.setLocalRepositoryManager(system.newLocalRepositoryManager(session, local));
        session.setOffline(true);
        GenericVersionScheme versions = new GenericVersionScheme();
        for (String line : Files.readAllLines(Path.of(arguments[1]))) {
            String[] words = line.split(" ");
            if (words[0].equals("compare")) {
                int order = versions.parseVersion(words[1]).compareTo(versions.parseVersion(words[2]));
                System.out.println(Integer.signum(order));
                continue;
            }
            if (words[0].equals("passed-on")) {
                System.out.println("+" + passedOn(new File(words[1])));
                continue;
            }
            CollectRequest request = new CollectRequest();
            for (String coordinates : List.of(words[1].split(","))) {
                request.addDependency(new org.eclipse.aether.graph.Dependency(new DefaultArtifact(coordinates), "compile"));
            }
            try {
                system.collectDependencies(session, request);
                System.out.println("found");
            } catch (DependencyCollectionException error) {
                Throwable cause = error.getCause();
                if (!(cause instanceof UnsolvableVersionConflictException)
                    && !(cause instanceof VersionRangeResolutionException)) {
                    throw error;
                }
                System.out.println("refused");
            }
        }
    }

    private static String passedOn(File pom) throws Exception {
        DefaultModelBuildingRequest request = new DefaultModelBuildingRequest();
        request.setPomFile(pom);
        StringBuilder told = new StringBuilder();
        for (Dependency one : new DefaultModelBuilderFactory().newInstance().build(request).getEffectiveModel()
                .getDependencies()) {
            if (List.of("compile", "runtime").contains(one.getScope()) && !one.isOptional()) {
                told.append(told.length() > 0 ? ";" : "");
                told.append(one.getGroupId() + ":" + one.getArtifactId() + " " + one.getVersion());
            }
        }
        return told.toString().replace(" ", "@");
    }
}
